// AsyncAPI's own parser: prints what it finds, then the version of the document that it took.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
for (const { code, path, message } of diagnostics) console.log(code, path.join('.'), message);
console.log(document?.version());
