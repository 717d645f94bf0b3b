"""Google's errors, word for word as FCM's HTTP v1 API writes them."""

from collections.abc import Mapping
from typing import Any, Final

from workers.fakepush.outcomes import Outcome, What

_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_QUOTA_FAILURE: Final = "type.googleapis.com/google.rpc.QuotaFailure"

_UNAUTHENTICATED: Final = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)


class GoogleError:
    """One answer. `code` is the HTTP status, `status` Google's, `word` what a log says."""

    def __init__(
        self, code: int, status: str, message: str, *details: Mapping[str, Any], word: str = ""
    ) -> None:
        self.code = code
        self.word = word or status
        self.body = {
            "error": {
                "code": code,
                "message": message,
                "status": status,
                "details": list(details),
            }
        }


def _fcm(
    code: int, status: str, message: str, word: str, *details: Mapping[str, Any]
) -> GoogleError:
    detail = {"@type": _FCM_ERROR, "errorCode": word}
    return GoogleError(code, status, message, detail, *details, word=word)


def _quota(subject: str, description: str) -> GoogleError:
    violation = {"subject": subject, "description": description}
    return _fcm(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for messages.",
        "QUOTA_EXCEEDED",
        {"@type": _QUOTA_FAILURE, "violations": [violation]},
    )


UNAUTHENTICATED: Final = GoogleError(
    401,
    "UNAUTHENTICATED",
    _UNAUTHENTICATED,
    {
        "@type": _ERROR_INFO,
        "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "domain": "googleapis.com",
        "metadata": {"service": "fcm.googleapis.com"},
    },
)

OTHER_PROJECT: Final = GoogleError(
    403,
    "PERMISSION_DENIED",
    "Permission 'cloudmessaging.messages.create' denied on resource (or it may not exist).",
    {
        "@type": _ERROR_INFO,
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "cloudresourcemanager.googleapis.com",
        "metadata": {"permission": "cloudmessaging.messages.create"},
    },
)

BAD_TOKEN: Final = _fcm(
    400,
    "INVALID_ARGUMENT",
    "The registration token is not a valid FCM registration token",
    "INVALID_ARGUMENT",
)

UNREGISTERED: Final = _fcm(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED")

REFUSALS: Final[Mapping[What, GoogleError]] = {
    "dead": UNREGISTERED,
    "expired": UNREGISTERED,
    "bad_token": BAD_TOKEN,
    "wrong_environment": BAD_TOKEN,
    "sender_mismatch": _fcm(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH"),
    "busy_device": _quota("device", "Message rate exceeded to device"),
    "busy": _quota("project", "Message rate exceeded for project"),
    "unavailable": _fcm(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE"),
    "internal_error": _fcm(500, "INTERNAL", "Internal error encountered.", "INTERNAL"),
    "wrong_credentials": UNAUTHENTICATED,
    "third_party": _fcm(
        401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", "THIRD_PARTY_AUTH_ERROR"
    ),
}
"""What a scripted outcome is answered with; `bad_payload` and `too_large` name a field."""


TOKEN_REFUSALS: Final[Mapping[What, tuple[int, str, str]]] = {
    "wrong_credentials": (400, "invalid_grant", "Invalid JWT Signature."),
    "busy": (429, "rate_limit_exceeded", "Too many requests."),
    "unavailable": (503, "temporarily_unavailable", "The service is currently unavailable."),
    "internal_error": (500, "internal_failure", "Internal error encountered."),
}
"""The same of the token endpoint: status, code and description. Other outcomes are no refusals."""


def invalid(field: str, description: str) -> GoogleError:
    """A payload that is wrong: where, and how."""
    violation = {"field": field, "description": description}
    return _fcm(
        400,
        "INVALID_ARGUMENT",
        description,
        "INVALID_ARGUMENT",
        {"@type": _BAD_REQUEST, "fieldViolations": [violation]},
    )


def refusal(outcome: Outcome) -> GoogleError | None:
    """What this outcome is answered with, where it is an answer."""
    if outcome.what == "bad_payload":
        return invalid("message.data", "Invalid value at 'message.data'")
    if outcome.what == "too_large":
        return invalid("message", "Android message is too big")
    return REFUSALS.get(outcome.what)
