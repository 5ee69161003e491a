import { type FocusEvent, useEffect, useRef } from 'react';

/**
 * Handlers for an element in which rows come and go: where what has the keyboard is taken away, it goes on at `next`.
 * To be called by what is shown anew whenever a row is.
 */
export function useFocusKept(next: () => HTMLElement | null | undefined) {
  const last = useRef<Element | null>(null);
  useEffect(() => {
    if (last.current?.isConnected === false) {
      last.current = null;
      if (document.activeElement === document.body) {
        next()?.focus();
      }
    }
  });
  return {
    onFocus: ({ target }: FocusEvent) => {
      last.current = target;
    },
    onBlur: ({ target }: FocusEvent) => {
      // Some browsers tell of it, too, where the element is just being taken away.
      setTimeout(() => {
        if (target.isConnected && last.current === target) {
          last.current = null;
        }
      });
    }
  };
}
