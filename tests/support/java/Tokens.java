import io.github.centrifugal.centrifuge.ConnectionTokenEvent;
import io.github.centrifugal.centrifuge.ConnectionTokenGetter;
import io.github.centrifugal.centrifuge.SubscriptionTokenEvent;
import io.github.centrifugal.centrifuge.SubscriptionTokenGetter;
import io.github.centrifugal.centrifuge.TokenCallback;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;

/** Hands out tokens one by one; the last one again and again. */
final class Tokens {
  private final int client;
  private final Queue<String> rest;

  Tokens(int client, List<String> tokens) {
    this.client = client;
    this.rest = new ArrayDeque<>(tokens);
  }

  ConnectionTokenGetter ofConnection() {
    return new ConnectionTokenGetter() {
      @Override
      public void getConnectionToken(ConnectionTokenEvent event, TokenCallback done) {
        done.Done(null, next(""));
      }
    };
  }

  SubscriptionTokenGetter ofSubscription() {
    return new SubscriptionTokenGetter() {
      @Override
      public void getSubscriptionToken(SubscriptionTokenEvent event, TokenCallback done) {
        done.Done(null, next(event.getChannel()));
      }
    };
  }

  private synchronized String next(String channel) {
    Driver.tell(client, "get_token", channel, Driver.fields());
    return rest.size() > 1 ? rest.remove() : rest.peek();
  }
}
