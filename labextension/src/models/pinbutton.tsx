import { Button } from '../button';
import { pinIcon } from '../icon';
import type { IModelRow } from '../types';

interface IProps {
  row: IModelRow;
  blocked: boolean;
  pin(id: string, pinned: boolean): void;
}

export function PinButton({ row, blocked, pin }: IProps) {
  return (
    <Button
      action="pin"
      tone="icon"
      label={`Pin ${row.id}`}
      title={row.pinned ? 'Pinned: it stays loaded. Click to let it go' : 'Pin: keep it loaded'}
      pressed={row.pinned}
      disabled={blocked}
      onClick={() => pin(row.id, !row.pinned)}
    >
      <pinIcon.react tag="span" elementSize="normal" />
    </Button>
  );
}
