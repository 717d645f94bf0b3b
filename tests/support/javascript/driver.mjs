// Drives the published JavaScript SDK for the tests: many clients in one process, told what to do by
// JSON lines on stdin ({id, client, call, ...arguments}), telling what happened by JSON lines on stdout
// ({client, id, result} or {client, id, error: {code, message}}, and {client, event, channel,
// fields}). With Protobuf, payloads are bytes, in Base64 on these lines. Ends when stdin does.

import readline from 'node:readline';
import { Centrifuge } from 'centrifuge';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

const print = (document) => process.stdout.write(JSON.stringify(document) + '\n');

const asJson = { toLine: (value) => value ?? null, fromLine: (value) => value };

const asBytes = {
  toLine: (bytes) => (bytes?.length ? Buffer.from(bytes).toString('base64') : null),
  fromLine: (text) => new Uint8Array(Buffer.from(text, 'base64')),
};

const state = (ctx) => ({ code: ctx.code ?? 0, reason: ctx.reason ?? '' });

// One client of the SDK, and what it tells of itself.
class Driven {
  constructor(number, { url, emulation, transport, protobuf, token, tokens }) {
    this.number = number;
    this.payload = protobuf ? asBytes : asJson;
    const endpoint = transport === 'websocket' ? url : [{ transport, endpoint: url }];
    this.sdk = new (protobuf ? CentrifugeProtobuf : Centrifuge)(endpoint, {
      websocket: WebSocket,
      eventsource: EventSource,
      fetch,
      readableStream: ReadableStream,
      emulationEndpoint: emulation,
      token,
      getToken: tokens.length ? this.tokenSource(tokens, '') : null,
      // Quick to come back, so that tests are quick.
      minReconnectDelay: 50,
      maxReconnectDelay: 500,
    });
    for (const name of ['connecting', 'disconnected']) {
      this.sdk.on(name, (ctx) => this.tell(name, '', state(ctx)));
    }
    this.sdk.on('connected', (ctx) => this.tell('connected', '', { client: ctx.client }));
    this.sdk.on('error', (ctx) => this.tell('error', '', { code: ctx.error.code }));
    this.watchChannel(this.sdk);
  }

  tell(event, channel, fields = {}) {
    print({ client: this.number, event, channel, fields });
  }

  // Hands out tokens one by one; the last one again and again.
  tokenSource(tokens, channel) {
    const rest = [...tokens];
    return async () => {
      this.tell('get_token', channel);
      return rest.length > 1 ? rest.shift() : rest[0];
    };
  }

  // What subscriptions and, for server-side subscriptions, the client itself tell of a channel.
  watchChannel(source) {
    source.on('subscribed', (ctx) => this.tell('subscribed', ctx.channel, this.subscribed(ctx)));
    source.on('publication', (ctx) => this.tell('publication', ctx.channel, this.publication(ctx)));
    for (const name of ['join', 'leave']) {
      source.on(name, (ctx) => this.tell(name, ctx.channel, this.member(ctx.info)));
    }
    for (const name of ['subscribing', 'unsubscribed']) {
      source.on(name, (ctx) => this.tell(name, ctx.channel, state(ctx)));
    }
  }

  subscribed(ctx) {
    return {
      recovered: ctx.recovered,
      was_recovering: ctx.wasRecovering,
      recoverable: ctx.recoverable,
      positioned: ctx.positioned,
      offset: ctx.streamPosition?.offset ?? 0,
      epoch: ctx.streamPosition?.epoch ?? '',
      data: this.payload.toLine(ctx.data),
    };
  }

  publication(ctx) {
    return {
      data: this.payload.toLine(ctx.data),
      offset: ctx.offset ?? 0,
      user: ctx.info?.user ?? null,
      client: ctx.info?.client ?? null,
      tags: ctx.tags ?? {},
    };
  }

  person(info) {
    return {
      user: info.user,
      conn_info: this.payload.toLine(info.connInfo),
      chan_info: this.payload.toLine(info.chanInfo),
    };
  }

  member(info) {
    return { client: info.client, ...this.person(info) };
  }

  // What tests may call

  connect() {
    this.sdk.connect();
  }

  disconnect() {
    this.sdk.disconnect();
  }

  close() {
    this.sdk.disconnect();
    clients.delete(this.number);
  }

  subscribe({ channel, options }) {
    let subscription = this.sdk.getSubscription(channel);
    if (!subscription) {
      subscription = this.sdk.newSubscription(channel, {
        token: options.token,
        getToken: options.tokens.length ? this.tokenSource(options.tokens, channel) : null,
        recoverable: options.recoverable,
        positioned: options.positioned,
        joinLeave: options.join_leave,
        minResubscribeDelay: 50,
        maxResubscribeDelay: 500,
      });
      this.watchChannel(subscription);
      subscription.on('error', (ctx) => this.tell('error', channel, { code: ctx.error.code }));
    }
    subscription.subscribe();
  }

  unsubscribe({ channel }) {
    this.sdk.getSubscription(channel).unsubscribe();
  }

  async publish({ channel, data }) {
    await this.sdk.publish(channel, this.payload.fromLine(data));
  }

  async presence({ channel }) {
    const { clients } = await this.sdk.presence(channel);
    return Object.fromEntries(Object.entries(clients).map(([id, info]) => [id, this.person(info)]));
  }

  async presence_stats({ channel }) {
    const stats = await this.sdk.presenceStats(channel);
    return [stats.numClients, stats.numUsers];
  }

  async history({ channel, limit, since, reverse }) {
    const page = await this.sdk.history(channel, { limit, since: since ?? undefined, reverse });
    const entries = page.publications.map((entry) => [entry.offset, this.payload.toLine(entry.data)]);
    return { entries, offset: page.offset, epoch: page.epoch };
  }

  async rpc({ method, data }) {
    const { data: answer } = await this.sdk.rpc(method, this.payload.fromLine(data));
    return this.payload.toLine(answer);
  }
}

const clients = new Map();

const perform = async ({ client, call, ...rest }) => {
  if (call === 'open') {
    clients.set(client, new Driven(client, rest));
    return null;
  }
  return (await clients.get(client)[call](rest)) ?? null;
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const { id, ...rest } = JSON.parse(line);
  const { client } = rest;
  try {
    print({ client, id, result: await perform(rest) });
  } catch (error) {
    // The SDK rejects with {code, message}; anything else is a mistake in this file.
    const { code, message } = error;
    print({ client, id, ...(Number.isInteger(code) ? { error: { code, message } } : { failure: String(error.stack) }) });
  }
});
lines.on('close', () => process.exit(0));
