/** The state of the section “Usage”. */
import { PolledModel, type IPolledState } from '../polled';
import { firstDay } from './sums';
import type { IUsageApi, IUsageRow } from './types';

/** In days, today included. */
export const PERIODS = [1, 7, 30] as const;

export interface IUsageState extends IPolledState {
  days: number;
  /** null: the server has not answered yet. */
  rows: readonly IUsageRow[] | null;
}

export class UsageModel extends PolledModel<IUsageState> {
  constructor(private readonly _api: IUsageApi) {
    super(
      { name: 'usage', interval: 10_000, longest: 60_000 },
      { open: false, days: 1, rows: null, problem: null }
    );
  }

  set days(value: number) {
    this.outdate();
    this.update({ days: value, rows: null, problem: null });
    this.refresh();
  }

  protected async ask(): Promise<Partial<IUsageState>> {
    return { rows: await this._api.usage(firstDay(this.state.days, Date.now())) };
  }
}
