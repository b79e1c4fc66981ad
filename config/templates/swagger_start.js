"use strict";

const ui = SwaggerUIBundle({
  url: "{{ schema_url|escapejs }}",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // From 150 open tags and operations on, Swagger UI draws those on the screen alone. The browser's
  // search would not find the others.
  docExpansion: "none",
  // Operations that are open to guests have no padlock, but answer whoever signs in with more.
  requestInterceptor: (request) => {
    if (request.loadSpec || new URL(request.url, location.href).origin !== location.origin) {
      return request;
    }
    const token = ui.authSelectors.authorized().getIn(["bearer", "value"]);
    if (token && !request.headers.Authorization) {
      request.headers.Authorization = `Bearer ${token}`;
    }
    return request;
  },
});
