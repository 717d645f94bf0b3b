// Drives the published JavaScript SDK for the tests: one client, told what to do by JSON lines on
// stdin ({id, call, ...arguments}), telling what happened by JSON lines on stdout ({id, result} or
// {id, error: {code, message}}, and {event, channel, fields}). Ends when stdin does.

import readline from 'node:readline';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

let client;

const print = (document) => process.stdout.write(JSON.stringify(document) + '\n');
const tell = (event, channel, fields = {}) => print({ event, channel, fields });

// Hands out tokens one by one; the last one again and again.
const tokenSource = (tokens, channel) => {
  const rest = [...tokens];
  return async () => {
    tell('get_token', channel);
    return rest.length > 1 ? rest.shift() : rest[0];
  };
};

const state = (ctx) => ({ code: ctx.code, reason: ctx.reason });

const subscribed = (ctx) => ({
  recovered: ctx.recovered,
  was_recovering: ctx.wasRecovering,
  recoverable: ctx.recoverable,
  positioned: ctx.positioned,
  offset: ctx.streamPosition?.offset ?? 0,
  epoch: ctx.streamPosition?.epoch ?? '',
  data: ctx.data ?? null,
});

const publication = (ctx) => ({
  data: ctx.data,
  offset: ctx.offset ?? 0,
  user: ctx.info?.user ?? null,
  client: ctx.info?.client ?? null,
  tags: ctx.tags ?? {},
});

const person = (info) => ({
  user: info.user,
  conn_info: info.connInfo ?? null,
  chan_info: info.chanInfo ?? null,
});

const member = (ctx) => ({ client: ctx.info.client, ...person(ctx.info) });

// What subscriptions and, for server-side subscriptions, the client itself tell of a channel.
const watchChannel = (source) => {
  source.on('subscribed', (ctx) => tell('subscribed', ctx.channel, subscribed(ctx)));
  source.on('publication', (ctx) => tell('publication', ctx.channel, publication(ctx)));
  source.on('join', (ctx) => tell('join', ctx.channel, member(ctx)));
  source.on('leave', (ctx) => tell('leave', ctx.channel, member(ctx)));
  for (const name of ['subscribing', 'unsubscribed']) {
    source.on(name, (ctx) => tell(name, ctx.channel, { code: ctx.code ?? 0, reason: ctx.reason ?? '' }));
  }
};

const calls = {
  open({ url, token, tokens }) {
    client = new Centrifuge(url, {
      websocket: WebSocket,
      token,
      getToken: tokens.length ? tokenSource(tokens, '') : null,
      // Quick to come back, so that tests are quick.
      minReconnectDelay: 50,
      maxReconnectDelay: 500,
    });
    for (const name of ['connecting', 'disconnected']) {
      client.on(name, (ctx) => tell(name, '', state(ctx)));
    }
    client.on('connected', (ctx) => tell('connected', '', { client: ctx.client }));
    client.on('error', (ctx) => tell('error', '', { code: ctx.error.code }));
    watchChannel(client);
  },
  connect: () => client.connect(),
  disconnect: () => client.disconnect(),
  subscribe({ channel, options }) {
    let subscription = client.getSubscription(channel);
    if (!subscription) {
      subscription = client.newSubscription(channel, {
        token: options.token,
        getToken: options.tokens.length ? tokenSource(options.tokens, channel) : null,
        recoverable: options.recoverable,
        positioned: options.positioned,
        joinLeave: options.join_leave,
        minResubscribeDelay: 50,
        maxResubscribeDelay: 500,
      });
      watchChannel(subscription);
      subscription.on('error', (ctx) => tell('error', channel, { code: ctx.error.code }));
    }
    subscription.subscribe();
  },
  unsubscribe: ({ channel }) => client.getSubscription(channel).unsubscribe(),
  async publish({ channel, data }) {
    await client.publish(channel, data);
  },
  async presence({ channel }) {
    const { clients } = await client.presence(channel);
    return Object.fromEntries(Object.entries(clients).map(([id, info]) => [id, person(info)]));
  },
  async presence_stats({ channel }) {
    const stats = await client.presenceStats(channel);
    return [stats.numClients, stats.numUsers];
  },
  async history({ channel, limit, since, reverse }) {
    const page = await client.history(channel, { limit, since: since ?? undefined, reverse });
    const entries = page.publications.map((entry) => [entry.offset, entry.data]);
    return { entries, offset: page.offset, epoch: page.epoch };
  },
  async rpc({ method, data }) {
    return (await client.rpc(method, data)).data;
  },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const { id, call, ...rest } = JSON.parse(line);
  try {
    print({ id, result: (await calls[call](rest)) ?? null });
  } catch (error) {
    // The SDK rejects with {code, message}; anything else is a mistake in this file.
    if (error.code === undefined) throw error;
    print({ id, error: { code: error.code, message: error.message } });
  }
});
lines.on('close', () => {
  client?.disconnect();
  process.exit(0);
});
