import io.github.centrifugal.centrifuge.Client;
import io.github.centrifugal.centrifuge.ClientInfo;
import io.github.centrifugal.centrifuge.ConnectedEvent;
import io.github.centrifugal.centrifuge.ConnectingEvent;
import io.github.centrifugal.centrifuge.DisconnectedEvent;
import io.github.centrifugal.centrifuge.ErrorEvent;
import io.github.centrifugal.centrifuge.EventListener;
import io.github.centrifugal.centrifuge.ServerJoinEvent;
import io.github.centrifugal.centrifuge.ServerLeaveEvent;
import io.github.centrifugal.centrifuge.ServerPublicationEvent;
import io.github.centrifugal.centrifuge.ServerSubscribedEvent;
import io.github.centrifugal.centrifuge.ServerSubscribingEvent;
import io.github.centrifugal.centrifuge.ServerUnsubscribedEvent;
import io.github.centrifugal.centrifuge.StreamPosition;
import java.util.Map;

/** What happens to the connection and to server-side subscriptions. */
final class ClientEvents extends EventListener {
  private final int number;

  ClientEvents(int number) {
    this.number = number;
  }

  @Override
  public void onConnecting(Client client, ConnectingEvent event) {
    Driver.tell(number, "connecting", "", state(event.getCode(), event.getReason()));
  }

  @Override
  public void onConnected(Client client, ConnectedEvent event) {
    Driver.tell(number, "connected", "", Driver.fields("client", event.getClient()));
  }

  @Override
  public void onDisconnected(Client client, DisconnectedEvent event) {
    Driver.tell(number, "disconnected", "", state(event.getCode(), event.getReason()));
  }

  @Override
  public void onError(Client client, ErrorEvent event) {
    Driver.tell(number, "error", "", Driver.fields("code", Errors.code(event.getError())));
  }

  @Override
  public void onSubscribing(Client client, ServerSubscribingEvent event) {
    Driver.tell(number, "subscribing", event.getChannel(), state(0, ""));
  }

  @Override
  public void onSubscribed(Client client, ServerSubscribedEvent event) {
    Map<String, Object> fields =
        subscribed(
            event.getRecovered(),
            event.wasRecovering(),
            event.getRecoverable(),
            event.getPositioned(),
            event.getStreamPosition(),
            event.getData());
    Driver.tell(number, "subscribed", event.getChannel(), fields);
  }

  @Override
  public void onUnsubscribed(Client client, ServerUnsubscribedEvent event) {
    Driver.tell(number, "unsubscribed", event.getChannel(), state(0, ""));
  }

  @Override
  public void onPublication(Client client, ServerPublicationEvent event) {
    Map<String, Object> fields =
        publication(event.getData(), event.getOffset(), event.getInfo(), event.getTags());
    Driver.tell(number, "publication", event.getChannel(), fields);
  }

  @Override
  public void onJoin(Client client, ServerJoinEvent event) {
    Driver.tell(number, "join", event.getChannel(), member(event.getInfo()));
  }

  @Override
  public void onLeave(Client client, ServerLeaveEvent event) {
    Driver.tell(number, "leave", event.getChannel(), member(event.getInfo()));
  }

  // What the events of subscriptions have in common with these

  static Map<String, Object> state(int code, String reason) {
    return Driver.fields("code", code, "reason", reason);
  }

  static Map<String, Object> member(ClientInfo info) {
    Map<String, Object> fields = Driver.person(info);
    fields.put("client", info.getClient());
    return fields;
  }

  static Map<String, Object> publication(
      byte[] data, long offset, ClientInfo info, Map<String, String> tags) {
    // A publication of the server's has no publisher; the SDK hands over an empty one.
    boolean published = info != null && !info.getClient().isEmpty();
    return Driver.fields(
        "data",
        Driver.payload(data),
        "offset",
        offset,
        "user",
        published ? info.getUser() : null,
        "client",
        published ? info.getClient() : null,
        "tags",
        tags == null ? Map.of() : tags);
  }

  static Map<String, Object> subscribed(
      boolean recovered,
      boolean wasRecovering,
      boolean recoverable,
      boolean positioned,
      StreamPosition position,
      byte[] data) {
    return Driver.fields(
        "recovered",
        recovered,
        "was_recovering",
        wasRecovering,
        "recoverable",
        recoverable,
        "positioned",
        positioned,
        "offset",
        position == null ? 0 : part(position, "getOffset"),
        "epoch",
        position == null ? "" : part(position, "getEpoch"),
        "data",
        Driver.payload(data));
  }

  /** The SDK keeps the two parts of a position to itself: applications only hand it back. */
  private static Object part(StreamPosition position, String getter) {
    try {
      var method = StreamPosition.class.getDeclaredMethod(getter);
      method.setAccessible(true);
      return method.invoke(position);
    } catch (ReflectiveOperationException error) {
      throw new IllegalStateException(error);
    }
  }
}
