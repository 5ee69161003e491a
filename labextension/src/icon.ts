import { LabIcon } from '@jupyterlab/ui-components';

/** A drawing pin. */
export const pinIcon = new LabIcon({
  name: 'jupyter-uml:pin',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M8 3h8v1.8h-1.2l.7 6.2 2.5 2.6v1.9h-5.1V22h-1.8v-6.5H6v-1.9L8.5 11l.7-6.2H8z"/>
</svg>`
});

/** A chip with a start sign in it; `jp-icon3` lets the theme choose its colour. */
export const modelsIcon = new LabIcon({
  name: 'jupyter-uml:models',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3 jp-icon-selectable" fill="#616161">
    <path fill-rule="evenodd" d="M7 4.5h10A2.5 2.5 0 0 1 19.5 7v10a2.5 2.5 0 0 1-2.5 2.5H7A2.5 2.5 0 0 1 4.5 17V7A2.5 2.5 0 0 1 7 4.5zM7 6.5a.5.5 0 0 0-.5.5v10a.5.5 0 0 0 .5.5h10a.5.5 0 0 0 .5-.5V7a.5.5 0 0 0-.5-.5z"/>
    <path d="M8 1.5h2v3H8zM14 1.5h2v3h-2zM8 19.5h2v3H8zM14 19.5h2v3h-2zM1.5 8h3v2h-3zM1.5 14h3v2h-3zM19.5 8h3v2h-3zM19.5 14h3v2h-3z"/>
    <path d="M9.8 8.2v7.6l6-3.8z"/>
  </g>
</svg>`
});

/** As the address of a picture, which no theme can colour: its blue is seen in all of them. */
export function modelsPicture(): string {
  return `data:image/svg+xml;base64,${btoa(modelsIcon.svgstr.replace('#616161', '#1976d2'))}`;
}

/** Three sliders. */
export const optionsIcon = new LabIcon({
  name: 'jupyter-uml:options',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M3 5h9v2H3zM18 5h3v2h-3zM14 3h2v6h-2zM3 11h3v2H3zM12 11h9v2h-9zM8 9h2v6H8zM3 17h11v2H3zM20 17h1v2h-1zM16 15h2v6h-2z"/>
</svg>`
});
