import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.centrifugal.centrifuge.Client;
import io.github.centrifugal.centrifuge.ClientInfo;
import io.github.centrifugal.centrifuge.HistoryOptions;
import io.github.centrifugal.centrifuge.Options;
import io.github.centrifugal.centrifuge.ResultCallback;
import io.github.centrifugal.centrifuge.StreamPosition;
import io.github.centrifugal.centrifuge.Subscription;
import io.github.centrifugal.centrifuge.SubscriptionOptions;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Drives the published Java SDK for the tests: many clients in one machine, told what to do by JSON
 * lines on stdin ({id, client, call, ...arguments}), telling what happened by JSON lines on stdout
 * ({client, id, result} or {client, id, error: {code, message}}, and {client, event, channel,
 * fields}). Payloads are bytes, in Base64 on these lines. Ends when stdin does.
 */
public final class Driver {
  private static final Gson JSON = new GsonBuilder().serializeNulls().create();
  private static final PrintStream OUT =
      new PrintStream(System.out, false, StandardCharsets.UTF_8);

  /** Quick to come back, so that tests are quick. */
  private static final int DELAY_MIN_MS = 50;

  private static final int DELAY_MAX_MS = 500;
  private static final int CLOSE_MS = 2_000;

  private static final Map<Integer, Client> clients = new HashMap<>();

  private Driver() {}

  public static void main(String[] arguments) throws Exception {
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonObject document = JsonParser.parseString(line).getAsJsonObject();
      Call call = new Call(document);
      try {
        perform(call);
      } catch (Exception mistake) {
        call.answer("failure", mistake.toString());
      }
    }
    // The SDK's threads would keep the machine alive for a minute.
    System.exit(0);
  }

  /** One line of the test's, and the way to answer it. */
  private record Call(JsonObject document) {
    String text(String name) {
      return document.get(name).getAsString();
    }

    int number(String name) {
      return document.get(name).getAsInt();
    }

    byte[] bytes(String name) {
      return Base64.getDecoder().decode(text(name));
    }

    List<String> tokens() {
      List<String> tokens = new ArrayList<>();
      document.getAsJsonArray("tokens").forEach(token -> tokens.add(token.getAsString()));
      return tokens;
    }

    Client client() {
      return clients.get(number("client"));
    }

    void answer(String name, Object value) {
      print(fields("client", number("client"), "id", number("id"), name, value));
    }

    void answer(Object result) {
      answer("result", result);
    }

    /** Answers with what the SDK hands over later, as `read` makes it of that. */
    <T> ResultCallback<T> later(Function<T, Object> read) {
      return (error, result) -> {
        if (error == null) {
          answer(read.apply(result));
        } else {
          answer("error", fields("code", Errors.code(error), "message", String.valueOf(error)));
        }
      };
    }
  }

  private static void perform(Call call) throws Exception {
    switch (call.text("call")) {
      case "open" -> open(call);
      case "connect" -> {
        call.client().connect();
        call.answer(null);
      }
      case "disconnect" -> {
        call.client().disconnect();
        call.answer(null);
      }
      case "close" -> {
        clients.remove(call.number("client")).close(CLOSE_MS);
        call.answer(null);
      }
      case "subscribe" -> subscribe(call);
      case "unsubscribe" -> {
        call.client().getSubscription(call.text("channel")).unsubscribe();
        call.answer(null);
      }
      case "publish" ->
          call.client()
              .publish(call.text("channel"), call.bytes("data"), call.later(done -> null));
      case "rpc" ->
          call.client()
              .rpc(
                  call.text("method"),
                  call.bytes("data"),
                  call.later(reply -> payload(reply.getData())));
      case "presence" ->
          call.client().presence(call.text("channel"), call.later(found -> people(found.getClients())));
      case "presence_stats" ->
          call.client()
              .presenceStats(
                  call.text("channel"),
                  call.later(stats -> List.of(stats.getNumClients(), stats.getNumUsers())));
      case "history" -> history(call);
      default -> throw new IllegalArgumentException(call.text("call"));
    }
  }

  private static void open(Call call) {
    int number = call.number("client");
    Options options = new Options();
    options.setToken(call.text("token"));
    options.setMinReconnectDelay(DELAY_MIN_MS);
    options.setMaxReconnectDelay(DELAY_MAX_MS);
    if (!call.tokens().isEmpty()) {
      options.setTokenGetter(new Tokens(number, call.tokens()).ofConnection());
    }
    clients.put(number, new Client(call.text("url"), options, new ClientEvents(number)));
    call.answer(null);
  }

  private static void subscribe(Call call) throws Exception {
    String channel = call.text("channel");
    Subscription subscription = call.client().getSubscription(channel);
    if (subscription == null) {
      int number = call.number("client");
      Call asked = new Call(call.document().getAsJsonObject("options"));
      SubscriptionOptions options = new SubscriptionOptions();
      options.setToken(asked.text("token"));
      options.setMinResubscribeDelay(DELAY_MIN_MS);
      options.setMaxResubscribeDelay(DELAY_MAX_MS);
      options.setRecoverable(asked.document().get("recoverable").getAsBoolean());
      options.setPositioned(asked.document().get("positioned").getAsBoolean());
      options.setJoinLeave(asked.document().get("join_leave").getAsBoolean());
      if (!asked.tokens().isEmpty()) {
        options.setTokenGetter(new Tokens(number, asked.tokens()).ofSubscription());
      }
      subscription =
          call.client().newSubscription(channel, options, new SubscriptionEvents(number));
    }
    subscription.subscribe();
    call.answer(null);
  }

  private static void history(Call call) {
    HistoryOptions.Builder options =
        new HistoryOptions.Builder()
            .withLimit(call.number("limit"))
            .withReverse(call.document().get("reverse").getAsBoolean());
    if (!call.document().get("since").isJsonNull()) {
      Call since = new Call(call.document().getAsJsonObject("since"));
      options.withSince(new StreamPosition(since.number("offset"), since.text("epoch")));
    }
    call.client()
        .history(
            call.text("channel"),
            options.build(),
            call.later(
                page -> {
                  JsonArray entries = new JsonArray();
                  page.getPublications()
                      .forEach(
                          entry ->
                              entries.add(
                                  JSON.toJsonTree(
                                      new Object[] {entry.getOffset(), payload(entry.getData())})));
                  return fields(
                      "entries", entries, "offset", page.getOffset(), "epoch", page.getEpoch());
                }));
  }

  // What the lines are made of

  /** Tells the test what has happened to a client. */
  static void tell(int client, String event, String channel, Map<String, Object> fields) {
    print(fields("client", client, "event", event, "channel", channel, "fields", fields));
  }

  /** A map of these names and values, in turn. */
  static Map<String, Object> fields(Object... pairs) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (int place = 0; place < pairs.length; place += 2) {
      fields.put((String) pairs[place], pairs[place + 1]);
    }
    return fields;
  }

  /** Bytes as they are on a line; null for none. */
  static String payload(byte[] bytes) {
    return bytes == null || bytes.length == 0 ? null : Base64.getEncoder().encodeToString(bytes);
  }

  /** What a presence entry says. */
  static Map<String, Object> person(ClientInfo info) {
    return fields(
        "user",
        info.getUser(),
        "conn_info",
        payload(info.getConnInfo()),
        "chan_info",
        payload(info.getChanInfo()));
  }

  private static Map<String, Object> people(Map<String, ClientInfo> clients) {
    Map<String, Object> people = new LinkedHashMap<>();
    clients.forEach((client, info) -> people.put(client, person(info)));
    return people;
  }

  private static synchronized void print(Map<String, Object> document) {
    OUT.println(JSON.toJson(document));
    OUT.flush();
  }
}
