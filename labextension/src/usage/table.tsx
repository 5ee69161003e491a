import { count, magnitude, plural } from '../format';
import { type ISum, tokens } from './sums';

interface IProps {
  title: string;
  sums: readonly ISum[];
}

/** Tokens by key or by model, with a bar each: how much it is beside the one that used most. */
export function UsageTable({ title, sums }: IProps) {
  const most = Math.max(1, ...sums.map(tokens));
  return (
    <table className="jp-uml-Usage-table" aria-label={`Tokens by ${title.toLowerCase()}`}>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col">In</th>
          <th scope="col">Cached</th>
          <th scope="col">Out</th>
        </tr>
      </thead>
      <tbody>
        {sums.map(sum => (
          <tr key={`${sum.id} ${sum.label}`} title={details(sum)}>
            <th scope="row">
              <div className="jp-uml-Usage-name">{sum.label}</div>
              <div className="jp-uml-Meter" aria-hidden="true">
                <div style={{ width: `${(100 * tokens(sum)) / most}%` }} />
              </div>
            </th>
            <td>{magnitude(sum.tokens_in)}</td>
            <td>{magnitude(sum.tokens_cached)}</td>
            <td>{magnitude(sum.tokens_out)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function details(sum: ISum): string {
  const refused = sum.errors > 0 ? `, ${count(sum.errors)} of them refused or failed` : '';
  return [
    sum.label,
    `${plural(sum.requests, 'request')}${refused}`,
    `${count(sum.tokens_in)} tokens in, ${count(sum.tokens_cached)} of them computed before, ${count(sum.tokens_out)} out`
  ].join('\n');
}
