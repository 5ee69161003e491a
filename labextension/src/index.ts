import { answers } from './answers/plugin';
import { cells } from './cells/plugin';
import { code } from './code/plugin';
import { formulas } from './formulas/plugin';
import { inline } from './inline/plugin';
import { sidebar } from './plugin';

export default [sidebar, answers, inline, cells, code, formulas];
