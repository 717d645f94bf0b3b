import io.github.centrifugal.centrifuge.JoinEvent;
import io.github.centrifugal.centrifuge.LeaveEvent;
import io.github.centrifugal.centrifuge.PublicationEvent;
import io.github.centrifugal.centrifuge.SubscribedEvent;
import io.github.centrifugal.centrifuge.SubscribingEvent;
import io.github.centrifugal.centrifuge.Subscription;
import io.github.centrifugal.centrifuge.SubscriptionErrorEvent;
import io.github.centrifugal.centrifuge.SubscriptionEventListener;
import io.github.centrifugal.centrifuge.UnsubscribedEvent;
import java.util.Map;

/** What happens to one subscription. */
final class SubscriptionEvents extends SubscriptionEventListener {
  private static final int TOKEN_EXPIRED = 109;

  private final int number;

  SubscriptionEvents(int number) {
    this.number = number;
  }

  @Override
  public void onSubscribing(Subscription subscription, SubscribingEvent event) {
    tell(subscription, "subscribing", ClientEvents.state(event.getCode(), event.getReason()));
  }

  @Override
  public void onSubscribed(Subscription subscription, SubscribedEvent event) {
    Map<String, Object> fields =
        ClientEvents.subscribed(
            event.getRecovered(),
            event.wasRecovering(),
            event.getRecoverable(),
            event.getPositioned(),
            event.getStreamPosition(),
            event.getData());
    tell(subscription, "subscribed", fields);
  }

  @Override
  public void onUnsubscribed(Subscription subscription, UnsubscribedEvent event) {
    tell(subscription, "unsubscribed", ClientEvents.state(event.getCode(), event.getReason()));
    if (event.getCode() == TOKEN_EXPIRED) {
      // The SDK forgets the token and means to ask for another, but also gives up (0.4.1): an
      // application subscribes again, and only then is its source of tokens asked.
      subscription.subscribe();
    }
  }

  @Override
  public void onPublication(Subscription subscription, PublicationEvent event) {
    Map<String, Object> fields =
        ClientEvents.publication(
            event.getData(), event.getOffset(), event.getInfo(), event.getTags());
    tell(subscription, "publication", fields);
  }

  @Override
  public void onJoin(Subscription subscription, JoinEvent event) {
    tell(subscription, "join", ClientEvents.member(event.getInfo()));
  }

  @Override
  public void onLeave(Subscription subscription, LeaveEvent event) {
    tell(subscription, "leave", ClientEvents.member(event.getInfo()));
  }

  @Override
  public void onError(Subscription subscription, SubscriptionErrorEvent event) {
    tell(subscription, "error", Driver.fields("code", Errors.code(event.getError())));
  }

  private void tell(Subscription subscription, String event, Map<String, Object> fields) {
    Driver.tell(number, event, subscription.getChannel(), fields);
  }
}
