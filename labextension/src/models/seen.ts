import { type RefObject, useEffect, useRef } from 'react';

/** Tells whether the element can be seen, as long as that is of interest. */
export function useSeen(
  id: string,
  wanted: boolean,
  see: (id: string, seen: boolean) => void
): RefObject<HTMLLIElement> {
  const place = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (!wanted || !place.current) {
      return;
    }
    const observer = new IntersectionObserver(entries => see(id, entries.some(entry => entry.isIntersecting)));
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      see(id, false);
    };
  }, [id, wanted, see]);
  return place;
}
