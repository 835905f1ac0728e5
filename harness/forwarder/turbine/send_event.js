'use strict';
// The action `send-event` of the Mixpanel extension: its settings are the body, custom properties win over the others.

module.exports = ({ utils: { fetch, getSettings } }) => {
  const event = { ...getSettings() };
  if (event.custom_properties) {
    event.properties = { ...event.properties, ...event.custom_properties };
    delete event.custom_properties;
  }
  return fetch('https://api.mixpanel.com/track', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/plain' },
    body: JSON.stringify([event]),
  });
};
