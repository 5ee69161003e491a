'use strict';

// Swagger UI takes its colours from a class of the page.
const dark = matchMedia('(prefers-color-scheme: dark)');
const paint = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', paint);
paint();

const place = document.getElementById('swagger-ui');

/** What Jupyter wants to see from its own pages; a key that was pasted needs nothing else. */
function withSignIn(request) {
  const token = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
  if (token && !request.headers.Authorization && new URL(request.url, location).origin === location.origin) {
    request.headers['X-XSRFToken'] = token[1];
  }
  return request;
}

SwaggerUIBundle({
  url: place.dataset.url,
  domNode: place,
  validatorUrl: null,
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  requestInterceptor: withSignIn,
});
