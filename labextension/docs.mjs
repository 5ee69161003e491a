// Copies Swagger UI, with its licence, to where the server's docs page takes it from.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';

const FILES = ['LICENSE', 'NOTICE', 'swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-bundle.js.LICENSE.txt'];
const from = new URL('node_modules/swagger-ui-dist/', import.meta.url);
const to = new URL('../jupyter_uml/server/pages/swagger/', import.meta.url);

rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const file of FILES) {
  copyFileSync(new URL(file, from), new URL(file, to));
}
