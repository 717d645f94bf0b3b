"""What FCM's answers mean: pure. The table of its error codes, and how a doubtful one is read."""

import re
from typing import Any, Final

import msgspec

from workers.providers.base import Delivered, Failed, Later, Misconfigured, Outcome, Rejected
from workers.providers.posting import UNREADABLE, Answer
from workers.providers.retry_after import retry_after_s

QUOTA_WAIT_S: Final = 60.0
"""How long to wait when FCM says 429 and not for how long, in seconds. A quota lasts a minute."""

DOUBT_WAIT_S: Final = 60.0
"""The same while it is not clear whether the address or our payload is at fault."""

ACCESS_REFUSED: Final = Misconfigured("FCM refuses our access token")
THIRD_PARTY_REFUSED: Final = Misconfigured(
    "the APNs key or the Web Push key that was given to Firebase is wrong"
)
API_NOT_FOUND: Final = Misconfigured("FCM does not know the project, or the base URL is not FCM's")
NOT_FCM: Final = Misconfigured("the base URL does not answer like FCM")

_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_QUOTA_FAILURE: Final = "type.googleapis.com/google.rpc.QuotaFailure"
_ADDRESS_FIELDS: Final = {"message.token", "message.fid", "token", "fid"}
_CODE: Final = re.compile(r"[A-Z][A-Z_]{0,63}")
_ADDRESS_WORDS: Final = re.compile(r"registration[ -]token|installation id|\bfid\b", re.IGNORECASE)


class _Error(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[dict[str, Any]] = []

    def of_type(self, type_url: str) -> list[dict[str, Any]]:
        return [detail for detail in self.details if detail.get("@type") == type_url]

    def violations(self, type_url: str, name: str) -> list[dict[str, Any]]:
        """The violations that such details list; what is not shaped like one is left out."""
        lists = [detail.get(name) for detail in self.of_type(type_url)]
        found = [one for each in lists if isinstance(each, list) for one in each]
        return [one for one in found if isinstance(one, dict)]

    @property
    def code(self) -> str:
        """FCM's own code, else Google's general one; "" if neither is a word."""
        codes = [detail.get("errorCode") for detail in self.of_type(_FCM_ERROR)]
        for code in (*codes, self.status):
            if isinstance(code, str) and _CODE.fullmatch(code):
                return code
        return ""


class _Refusal(msgspec.Struct):
    error: _Error


class _Accepted(msgspec.Struct):
    name: str = ""


def outcome_of(answer: Answer, *, proven: bool, now: float) -> Outcome:
    """What is to be done. `now`: seconds since 1970. `ACCESS_REFUSED` is worth one new token.

    `proven`: lately FCM has accepted a payload like this one, so that a doubtful answer speaks of
    the address. Nothing of the answer but its codes is in the outcome: its texts may quote the
    address.
    """
    if answer.status == 200:
        return Delivered(_name_of(answer))
    error = _error_of(answer)
    code = error.code or str(answer.status)
    if answer.status == 429 or answer.status >= 500:
        return _later(answer, error, code, now)
    if code == "THIRD_PARTY_AUTH_ERROR":
        return THIRD_PARTY_REFUSED
    match answer.status:
        case 400:
            return _bad_request(error, code, proven=proven)
        case 401:
            return ACCESS_REFUSED
        case 403:
            if code == "SENDER_ID_MISMATCH":
                return Rejected(code, parked=True)
            return Misconfigured(f"FCM refuses the service account: {code}")
        case 404:
            # A wrong project or base URL is a 404 too, and is no reason to forget anybody.
            if code == "UNREGISTERED" or (code == "NOT_FOUND" and proven):
                return Rejected(code)
            return API_NOT_FOUND
        case status if status < 400:
            return NOT_FCM
        case _:
            return Failed(code)


def _later(answer: Answer, error: _Error, code: str, now: float) -> Later:
    after_s = retry_after_s(answer.headers.get("Retry-After"), now=now)
    if answer.status != 429:
        return Later(code, after_s)
    quotas = error.violations(_QUOTA_FAILURE, "violations")
    words = [str(quota.get(key, "")) for quota in quotas for key in ("subject", "description")]
    is_device = any("device" in word.casefold() for word in (*words, error.message))
    return Later(code, after_s or QUOTA_WAIT_S, "device" if is_device else "provider")


def _bad_request(error: _Error, code: str, *, proven: bool) -> Outcome:
    """FCM's ambiguous one.

    It is our payload that is wrong where a field other than the address is named, and the address
    where that field is, or where FCM's own error stands alone with words about the registration.
    Even then nothing is forgotten before a payload like it was accepted: it may still be ours.
    """
    violations = error.violations(_BAD_REQUEST, "fieldViolations")
    fields = {str(one.get("field", "")) for one in violations}
    if fields:
        is_address = fields <= _ADDRESS_FIELDS
    elif error.of_type(_BAD_REQUEST):
        is_address = False
    else:
        is_address = bool(error.of_type(_FCM_ERROR) and _ADDRESS_WORDS.search(error.message))
    if not is_address or code != "INVALID_ARGUMENT":
        return Failed(code)
    if proven:
        return Rejected(code)
    return Later(f"{code}: the address, or every payload of ours", DOUBT_WAIT_S, "device")


def _error_of(answer: Answer) -> _Error:
    try:
        return msgspec.json.decode(answer.body, type=_Refusal).error
    except UNREADABLE:
        return _Error()


def _name_of(answer: Answer) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Accepted).name
    except UNREADABLE:
        return ""
