// Where things are. The packages lie outside of the tree (`console/check` puts them into `target/console`), so they are asked for here
// alone.

import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Whatever is made while testing. */
export const TARGET = join(ROOT, 'target/console');

export const SCREENSHOTS = join(TARGET, 'screenshots');
mkdirSync(SCREENSHOTS, { recursive: true });

/** The page that is tested: `CONSOLE_DIR` names another copy of it. */
export const PAGE = resolve(process.env.CONSOLE_DIR || join(ROOT, 'console'));

/** The gate that is tested. */
export const FLOWGATE = resolve(process.env.FLOWGATE_BINARY || join(ROOT, 'target/debug/flowgate'));

const require = createRequire(join(TARGET, 'package.json'));

/** @type {import('playwright-core')} */
export const playwright = require('playwright-core');

/** To be run in a page: `axe` is there then. */
export const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
