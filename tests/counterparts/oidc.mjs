// An OpenID provider whose keys, claims and failures a test controls: `node oidc.mjs PORT`.
//
// It listens on 127.0.0.1:PORT (0: any free port), its issuer is http://127.0.0.1:PORT, and it prints that URL on one
// line once it answers. Every access token is an RFC 9068 JWT: `typ: at+jwt`, one `aud`.
//
// Clients (HTTP Basic, the secret is the client's ID followed by `-secret`)
//   support-bot   a machine with `groups: ["support"]`
//   plain-app     a machine without groups
//   desk-web      the application that people sign in to: user tokens and token exchange
//
// Resources (`resource`, RFC 8707): audience and algorithm of the token
//   urn:desk-api:rs256  urn:desk-api:es256  urn:desk-api:eddsa      aud `desk-api`
//   urn:desk-api:ed25519    aud `desk-api`, header `alg: Ed25519` (RFC 9864) with the same key as `EdDSA`
//   urn:other-api:rs256     aud `other-api`
//   without `resource`: urn:desk-api:rs256
//
// POST /token (form)
//   grant_type=client_credentials           `sub` = `client_id`
//   grant_type=urn:example:test:user        a token for the person `account`, no password asked
//   grant_type=urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693)
//       `subject_token`: whom the new token is for; `actor_token`: who acts, without it the calling client. Both are
//       access tokens of this issuer. The answer has `sub` of the subject, `act.sub` of the actor, and the `act` that
//       the subject's token had already inside it.
//   each of them takes besides
//       `scope`      of `tickets:read tickets:write`
//       `ttl`        seconds, 1 or more; 900 without it
//       `groups`     separated by commas, in place of the client's own (not for an exchange: use `claims`)
//       `claims`     a JSON object of further claims; those that the provider itself writes win
//
// Discovery is at /.well-known/openid-configuration, the keys at /jwks: RS256, ES256 and Ed25519, with the key IDs
// `rs256-1`, `es256-1`, `ed25519-1`, and `-2` after the first rotation.
//
// Test routes; all answer JSON and concern this issuer alone
//   POST /test/rotate       new keys sign, the old ones stay in the key set -> {"kids": [..]}
//   POST /test/drop-old     only the newest keys stay                       -> {"kids": [..]}
//   POST /test/jwks-mode    {"mode": "ok" | "hang" | "error"} for /jwks: answer, never answer, 500
//   GET  /test/jwks-hits    {"hits": N}: how often /jwks was asked, in any mode
//   POST /test/issuers      another issuer, with its own port, keys, mode and count -> {"issuer": "http://127.0.0.1:.."}
//   POST /test/stop         closes this issuer's port, the one it was started with too -> {}
//
// A test that rotates, hangs or counts makes an issuer of its own first: tests run side by side.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { createLocalJWKSet, jwtVerify } from 'jose';
import Provider, { errors } from 'oidc-provider';

const HOST = '127.0.0.1';
const USER_GRANT = 'urn:example:test:user';
const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const DEFAULT_RESOURCE = 'urn:desk-api:rs256';
const SCOPES = ['tickets:read', 'tickets:write'];
const DEFAULT_TTL = 900;

const RESOURCES = {
  'urn:desk-api:rs256': { audience: 'desk-api', alg: 'RS256' },
  'urn:desk-api:es256': { audience: 'desk-api', alg: 'ES256' },
  'urn:desk-api:eddsa': { audience: 'desk-api', alg: 'EdDSA' },
  'urn:desk-api:ed25519': { audience: 'desk-api', alg: 'Ed25519' },
  'urn:other-api:rs256': { audience: 'other-api', alg: 'RS256' },
};

const CLIENTS = {
  'support-bot': { grants: ['client_credentials'], groups: ['support'] },
  'plain-app': { grants: ['client_credentials'] },
  'desk-web': { grants: [USER_GRANT, EXCHANGE_GRANT] },
};

const KEYS = {
  rs256: ['rsa', { modulusLength: 2048 }],
  es256: ['ec', { namedCurve: 'P-256' }],
  ed25519: ['ed25519', {}],
};

const open = new Set();

class Issuer {
  #generation = 0;
  #keys = [];
  #provider;
  #verifyingKeys;
  #mode = 'ok';
  #hits = 0;
  #server = createServer((request, response) => this.#handle(request, response));

  static async listen(port) {
    const issuer = new Issuer();
    await new Promise((resolve, reject) => {
      issuer.#server.once('error', reject);
      issuer.#server.listen(port, HOST, resolve);
    });
    issuer.url = `http://${HOST}:${issuer.#server.address().port}`;
    issuer.#useKeys(issuer.#newKeys());
    open.add(issuer);
    return issuer;
  }

  stop() {
    open.delete(this);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #newKeys() {
    this.#generation += 1;
    return Object.entries(KEYS).map(([name, [type, options]]) => ({
      ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
      use: 'sig',
      kid: `${name}-${this.#generation}`,
    }));
  }

  // A provider reads its keys once, so each change of keys makes a new one behind the same port.
  #useKeys(keys) {
    this.#keys = keys;
    this.#verifyingKeys = createLocalJWKSet({ keys: keys.map(publicPart) });
    this.#provider = makeProvider(this.url, keys, (token) => this.#verify(token));
  }

  async #verify(token) {
    const { payload } = await jwtVerify(token, this.#verifyingKeys, { issuer: this.url, typ: 'at+jwt' });
    return payload;
  }

  #handle(request, response) {
    const { pathname } = new URL(request.url, this.url);
    if (pathname === '/jwks') return this.#jwks(request, response);
    if (pathname.startsWith('/test/')) {
      return this.#control(`${request.method} ${pathname}`, request).then(
        (body) => sendJson(response, body === undefined ? 404 : 200, body ?? { error: 'no such test route' }),
        (error) => sendJson(response, 400, { error: error.message }),
      );
    }
    return this.#provider.callback()(request, response);
  }

  #jwks(request, response) {
    this.#hits += 1;
    if (this.#mode === 'hang') return undefined;
    if (this.#mode === 'error') return sendJson(response, 500, { error: 'the keys are not to be had' });
    return this.#provider.callback()(request, response);
  }

  async #control(route, request) {
    switch (route) {
      case 'POST /test/rotate':
        this.#useKeys([...this.#newKeys(), ...this.#keys]);
        return { kids: this.#keys.map((key) => key.kid) };
      case 'POST /test/drop-old':
        this.#useKeys(this.#keys.slice(0, Object.keys(KEYS).length));
        return { kids: this.#keys.map((key) => key.kid) };
      case 'POST /test/jwks-mode': {
        const { mode } = JSON.parse(await readBody(request));
        if (!['ok', 'hang', 'error'].includes(mode)) throw new Error('mode is one of ok, hang, error');
        this.#mode = mode;
        return { mode };
      }
      case 'GET /test/jwks-hits':
        return { hits: this.#hits };
      case 'POST /test/issuers':
        return { issuer: (await Issuer.listen(0)).url };
      case 'POST /test/stop':
        setImmediate(() => this.stop());
        return {};
      default:
        return undefined;
    }
  }
}

function makeProvider(url, keys, verify) {
  const provider = new Provider(url, {
    jwks: { keys },
    clients: Object.entries(CLIENTS).map(([id, { grants }]) => ({
      client_id: id,
      client_secret: `${id}-secret`,
      grant_types: grants,
      redirect_uris: [],
      response_types: [],
    })),
    scopes: SCOPES,
    cookies: { keys: ['unused: nobody signs in here'] },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA', 'Ed25519'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => DEFAULT_RESOURCE,
        getResourceServerInfo: (_ctx, name) => resourceServer(name),
      },
    },
    ttl: { ClientCredentials: requestedTtl, AccessToken: requestedTtl },
    extraTokenClaims: (ctx, token) => extraClaims(ctx.oidc.body, token),
  });
  const parameters = ['resource', 'scope', 'ttl', 'claims'];
  provider.registerGrantType(USER_GRANT, async (ctx) => {
    const { account } = ctx.oidc.body;
    if (!account) throw new errors.InvalidRequest('account is missing');
    await respondWithToken(provider, ctx, account);
  }, [...parameters, 'account', 'groups']);
  provider.registerGrantType(EXCHANGE_GRANT, async (ctx) => {
    const { subject, act } = await readExchange(ctx, verify);
    await respondWithToken(provider, ctx, subject, act);
    ctx.body.issued_token_type = ACCESS_TOKEN_TYPE;
  }, [...parameters, 'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'audience']);
  return provider;
}

function resourceServer(name) {
  const resource = RESOURCES[name];
  if (!resource) throw new errors.InvalidTarget();
  return {
    audience: resource.audience,
    scope: SCOPES.join(' '),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: resource.alg } },
  };
}

function requestedTtl(ctx) {
  const ttl = ctx.oidc.body?.ttl;
  if (ttl === undefined) return DEFAULT_TTL;
  if (!/^[1-9]\d{0,8}$/.test(ttl)) throw new errors.InvalidRequest('ttl is a number of seconds, 1 or more');
  return Number(ttl);
}

function extraClaims({ claims, groups } = {}, token) {
  const own = token.kind === 'ClientCredentials' ? CLIENTS[token.clientId]?.groups : undefined;
  const named = groups === undefined ? own : groups.split(',').filter(Boolean);
  return { ...parseClaims(claims), ...(named && { groups: named }), ...(token.act && { act: token.act }) };
}

function parseClaims(text) {
  if (text === undefined) return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new errors.InvalidRequest('claims is not JSON');
  }
}

async function readExchange(ctx, verify) {
  const body = ctx.oidc.body;
  const read = async (name) => {
    if (body[`${name}_type`] !== ACCESS_TOKEN_TYPE) throw new errors.InvalidRequest(`${name}_type is not ${ACCESS_TOKEN_TYPE}`);
    try {
      return await verify(body[name]);
    } catch (error) {
      throw new errors.InvalidRequest(`${name}: ${error.message}`);
    }
  };
  const subject = await read('subject_token');
  const actor = body.actor_token === undefined ? ctx.oidc.client.clientId : (await read('actor_token')).sub;
  return { subject: subject.sub, act: { sub: actor, ...(subject.act && { act: subject.act }) } };
}

async function respondWithToken(provider, ctx, account, act) {
  const name = ctx.oidc.body.resource ?? DEFAULT_RESOURCE;
  const resource = new provider.ResourceServer(name, resourceServer(name));
  const scope = (ctx.oidc.body.scope ?? '').split(' ').filter((word) => SCOPES.includes(word)).join(' ');
  const token = new provider.AccessToken({ client: ctx.oidc.client, accountId: account, scope: scope || undefined });
  token.resourceServer = resource;
  token.act = act;
  ctx.body = {
    access_token: await token.save(),
    expires_in: token.expiration,
    token_type: token.tokenType,
    ...(scope && { scope }),
  };
}

function publicPart({ kty, crv, x, y, n, e, kid, use }) {
  return { kty, crv, x, y, n, e, kid, use };
}

function sendJson(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function readBody(request) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > 4096) throw new Error('the body is too long');
  }
  return text;
}

const port = Number(process.argv[2]);
if (!Number.isInteger(port) || port < 0 || port > 65535) {
  console.error('usage: node oidc.mjs PORT');
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const issuer of open) issuer.stop();
    process.exit(0);
  });
}
console.log((await Issuer.listen(port)).url);
