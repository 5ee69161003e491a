import { useEffect } from 'react';

import { Button } from '../button';
import { count } from '../format';
import type { IEstimate, ILoadOptions, IMemory, IModelRow, KvType } from '../types';
import { ChoiceField } from './choicefield';
import { ContextField } from './contextfield';
import { Fit } from './fit';
import type { IPoint } from './forecasts';
import { NumberField } from './numberfield';
import { areInForce, given, hasGpu, KEEP, longestContext, type Part } from './loadoptions';
import type { IVerdict } from './verdicts';

const MOST_PARALLEL = 64;
const MOST_LAYERS = 1000;

interface IProps {
  id: string;
  row: IModelRow;
  options: ILoadOptions;
  /** With what it was loaded last. */
  applied: ILoadOptions;
  verdict: IVerdict | undefined;
  /** What it would take with other contexts; empty: not known yet. */
  points: readonly IPoint[];
  memory: IMemory | null;
  /** Bytes that other models take. */
  others: number;
  /** A loaded model can be loaded anew: whether that can be asked for now. */
  blocked: boolean;
  reloading: boolean;
  choose(options: ILoadOptions): void;
  reload(id: string): unknown;
  plan(id: string, longest: number): void;
}

/** How a model is loaded next: what is left open the server chooses. The bar shows what that takes. */
export function Options(props: IProps) {
  const { id, row, options, verdict, choose, plan } = props;
  const estimate = verdict?.estimate;
  const longest = longestContext(row, estimate);
  useEffect(() => {
    plan(row.id, longest);
    return () => plan(row.id, 0);
  }, [row.id, longest, plan]);
  const change = (part: Part) => choose(given({ ...options, ...part }));
  const tokens = options.n_ctx ?? row.settings?.n_ctx ?? estimate?.settings.n_ctx ?? 0;
  return (
    <div id={id} className="jp-uml-Options" role="group" aria-label={`Options of ${row.id}`}>
      <ContextField
        model={row.id}
        tokens={tokens}
        chosen={options.n_ctx}
        longest={longest}
        fitting={estimate?.largest_context ?? 0}
        choose={n_ctx => change({ n_ctx })}
      />
      <Fit
        row={row}
        options={options}
        verdict={verdict}
        points={props.points}
        memory={props.memory}
        others={props.others}
        tokens={tokens}
        longest={longest}
      />
      <Others row={row} options={options} estimate={estimate} change={change} />
      <Foot {...props} />
    </div>
  );
}

interface IOthers {
  row: IModelRow;
  options: ILoadOptions;
  estimate: IEstimate | undefined;
  change(part: Part): void;
}

function Others({ row, options, estimate, change }: IOthers) {
  const settings = row.settings ?? estimate?.settings;
  const about = `of ${row.id}`;
  return (
    <div className="jp-uml-Options-pair">
      <NumberField
        action="set-parallel"
        label="At a time"
        about={about}
        value={options.n_parallel}
        usual={settings ? `auto (${settings.n_parallel})` : 'auto'}
        min={1}
        max={MOST_PARALLEL}
        choose={n_parallel => change({ n_parallel })}
      />
      <ChoiceField
        action="set-kv-type"
        label="KV cache"
        about={about}
        value={options.kv_type ?? ''}
        choices={kvTypes(settings?.kv_type)}
        choose={value => change({ kv_type: (value || undefined) as KvType | undefined })}
      />
      <ChoiceField
        action="set-keep-alive"
        label="Keep for"
        about={about}
        value={options.keep_alive === undefined ? '' : String(options.keep_alive)}
        choices={KEEP}
        choose={value => change({ keep_alive: value === '' ? undefined : Number(value) })}
      />
      {hasGpu(row, options, estimate) && (
        <NumberField
          action="set-gpu-layers"
          label="GPU layers"
          about={about}
          value={options.n_gpu_layers}
          usual={settings ? `auto (${settings.n_gpu_layers})` : 'auto'}
          min={-1}
          max={MOST_LAYERS}
          choose={n_gpu_layers => change({ n_gpu_layers })}
        />
      )}
    </div>
  );
}

function Foot({ row, options, applied, verdict, blocked, reloading, choose, reload }: IProps) {
  const largest = verdict?.estimate?.largest_context ?? 0;
  const isTooLong = largest > 0 && (options.n_ctx ?? 0) > largest;
  const isChanged = row.settings !== null && !areInForce(options, row.settings);
  const isKeptAnew = (options.keep_alive ?? applied.keep_alive) !== applied.keep_alive;
  const isOnlyKept = row.settings !== null && !isChanged && isKeptAnew;
  return (
    <div className="jp-uml-Options-foot">
      {isTooLong && (
        <Button
          action="largest"
          label={`Take ${count(largest)} tokens, the longest context of ${row.id} that fits`}
          onClick={() => choose({ ...options, n_ctx: largest })}
        >
          Take {count(largest)} tokens
        </Button>
      )}
      {(isChanged || isOnlyKept) && (
        <Button
          action="reload"
          tone="primary"
          label={`${isChanged ? 'Reload' : 'Apply to'} ${row.id}`}
          title={isChanged ? 'Load it anew so; answers under way end first' : 'It stays loaded meanwhile'}
          disabled={blocked || reloading}
          onClick={() => reload(row.id)}
        >
          {reloading ? 'Reloading…' : isChanged ? 'Reload' : 'Apply'}
        </Button>
      )}
      {Object.keys(options).length > 0 && (
        <Button action="reset-options" label={`Reset the options of ${row.id}`} onClick={() => choose({})}>
          Reset
        </Button>
      )}
    </div>
  );
}

function kvTypes(usual: KvType | undefined): [string, string][] {
  return [
    ['', usual ? `auto (${usual})` : 'auto'],
    ['f16', 'f16, exact'],
    ['q8_0', 'q8_0, ½'],
    ['q4_0', 'q4_0, ¼']
  ];
}
