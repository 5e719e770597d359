// What the Prometheus Operator's own schemas find wrong with the objects in a file of JSON: a line each.
import { readFileSync } from 'node:fs';
import { PodMonitor, PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

const kinds = { PodMonitor, PrometheusRule };
for (const object of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  let wrong = null;
  try {
    new kinds[object.kind](object).validate();
  } catch (error) {
    wrong = String(error);
  }
  console.log(JSON.stringify({ kind: object.kind, wrong }));
}
