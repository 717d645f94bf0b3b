import io.github.centrifugal.centrifuge.RefreshError;
import io.github.centrifugal.centrifuge.ReplyError;
import io.github.centrifugal.centrifuge.SubscriptionRefreshError;
import io.github.centrifugal.centrifuge.SubscriptionSubscribeError;
import io.github.centrifugal.centrifuge.SubscriptionTokenError;
import io.github.centrifugal.centrifuge.TokenError;
import java.util.concurrent.TimeoutException;

/** The codes of what the SDK throws: the server's, or what the other SDKs call it. */
final class Errors {
  private static final int TIMEOUT = 1;
  private static final int TRANSPORT_CLOSED = 2;

  private Errors() {}

  /** The server's code where there is one, somewhere inside. */
  static int code(Throwable error) {
    for (Throwable inner = error; inner != null; inner = inside(inner)) {
      if (inner instanceof ReplyError reply) {
        return reply.getCode();
      }
      if (inner instanceof TimeoutException) {
        return TIMEOUT;
      }
    }
    return TRANSPORT_CLOSED;
  }

  private static Throwable inside(Throwable error) {
    if (error instanceof TokenError wrapper) {
      return wrapper.getError();
    }
    if (error instanceof RefreshError wrapper) {
      return wrapper.getError();
    }
    if (error instanceof SubscriptionTokenError wrapper) {
      return wrapper.getError();
    }
    if (error instanceof SubscriptionRefreshError wrapper) {
      return wrapper.getError();
    }
    if (error instanceof SubscriptionSubscribeError wrapper) {
      return wrapper.getError();
    }
    return error.getCause();
  }
}
