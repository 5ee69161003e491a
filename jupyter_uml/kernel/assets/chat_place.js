// Whether a person reads at the end of a box, which is followed then; a box that is out of sight, as in another tab, has
// no size to tell it by. `sized` is called when it has another size.
class Place {
  constructor(box, sized) {
    this.box = box;
    this.wasAtEnd = true;
    box.addEventListener('scroll', () => (this.wasAtEnd = this.isAtEnd()));
    this.observer = new ResizeObserver(() => {
      if (this.wasAtEnd) {
        this.goToEnd();
      }
      sized();
    });
    this.observer.observe(box);
  }

  remove() {
    this.observer.disconnect();
  }

  isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    return clientHeight > 0 ? scrollHeight - scrollTop - clientHeight < 24 : this.wasAtEnd;
  }

  goToEnd() {
    this.wasAtEnd = true;
    this.box.scrollTop = this.box.scrollHeight;
  }
}
