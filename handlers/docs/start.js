// start.js - draws openapi.yaml of this very server; what is tried out goes to it and to nobody else.
'use strict';

const here = new URL('.', document.baseURI).href.replace(/\/$/, '');

// The document names the default address; this page knows the real one, behind a proxy too.
const toThisServer = () => ({
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (spec) => update({...spec, servers: [{url: here, description: 'This server.'}]}),
      },
    },
  },
});

SwaggerUIBundle({
  url: 'openapi.yaml',
  dom_id: '#reference',
  deepLinking: true,
  displayRequestDuration: true,
  plugins: [toThisServer],
  tryItOutEnabled: true,
  validatorUrl: null,
});
