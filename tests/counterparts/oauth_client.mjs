// openid-client, an OAuth client that knows nothing of this crate: `node oauth_client.mjs ISSUER`.
//
// ISSUER is the desk of `examples/two_services.rs`; the secrets of its two app clients stand in TICKETS_SECRET and
// BILLING_SECRET. Nothing here is made for that service but the one call that starts an impersonation, which is no
// OAuth. All addresses come from the metadata (RFC 8414). Each step prints one line of JSON: {"step": .., ..}.
import * as oauth from 'openid-client';

const issuer = new URL(process.argv[2]);
const { TICKETS_SECRET, BILLING_SECRET } = process.env;
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const say = (step, told) => console.log(JSON.stringify({ step, ...told }));

// `allowInsecureRequests`: http, of this machine.
const discover = (id, authentication) =>
  oauth.discovery(issuer, id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [oauth.allowInsecureRequests],
  });

// One client proves itself by HTTP Basic, the other one in the form.
const tickets = await discover('ticket-system', oauth.ClientSecretBasic(TICKETS_SECRET));
const billing = await discover('billing', oauth.ClientSecretPost(BILLING_SECRET));
const metadata = tickets.serverMetadata();
say('metadata', { issuer: metadata.issuer, endpoint: metadata.introspection_endpoint });

const own = await oauth.clientCredentialsGrant(tickets, { audience: 'desk', scope: 'tickets:read' });
say('client_credentials', own);

const start = async () => {
  const answer = await oauth.fetchProtectedResource(
    tickets,
    own.access_token,
    new URL('/alice/impersonate', issuer),
    'POST',
    JSON.stringify({ audience: 'desk', reason: 'ticket 4711' }),
    new Headers({ 'content-type': 'application/json' }),
  );
  return (await answer.json()).data.attributes;
};
const started = await start();
say('start', started);

const exchanged = await oauth.genericGrantRequest(
  tickets,
  'urn:ietf:params:oauth:grant-type:token-exchange',
  { subject_token: started.token, subject_token_type: ACCESS_TOKEN, audience: 'billing' },
);
say('exchange', exchanged);

say('introspect', await oauth.tokenIntrospection(billing, exchanged.access_token));
say('introspect', await oauth.tokenIntrospection(billing, own.access_token));
await oauth.tokenRevocation(tickets, exchanged.access_token, { token_type_hint: 'access_token' });
await oauth.tokenRevocation(tickets, exchanged.access_token);
say('revoke', {});
for (const token of [exchanged.access_token, started.token, 'no token at all']) {
  say('introspect', await oauth.tokenIntrospection(billing, token));
}

// What a client can read of each refusal.
const refused = async (what, asked) => {
  try {
    await asked();
    say('accepted', { what });
  } catch (error) {
    say('refused', { what, status: error.status, error: error.error ?? error.code });
  }
};
const stranger = await discover('ticket-system', oauth.ClientSecretBasic('wrong'));
await refused('secret', () => oauth.clientCredentialsGrant(stranger, { audience: 'desk' }));
await refused('scope', () => oauth.clientCredentialsGrant(tickets, { audience: 'desk', scope: 'all' }));
await refused('audience', () => oauth.clientCredentialsGrant(tickets, { audience: 'nobody' }));
await refused('introspection', () => oauth.tokenIntrospection(tickets, own.access_token));
await refused('grant type', () => oauth.genericGrantRequest(tickets, 'password', {}));
await refused('exchange', () =>
  oauth.genericGrantRequest(tickets, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: started.token,
    subject_token_type: ACCESS_TOKEN,
    audience: 'billing',
  }),
);
