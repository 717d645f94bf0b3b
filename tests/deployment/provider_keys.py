"""Keys of push providers as operators have them, good for nobody but the fakes."""

import json
from collections.abc import Mapping
from functools import cache

from workers.fakepush.credentials import ApnsKey, ServiceAccount, make_vapid_key


@cache
def provider_keys() -> Mapping[str, str]:
    """What is in the files, by the names that deployment files call them."""
    account = ServiceAccount("https://oauth2.example.com/token")
    return {
        "fcm": json.dumps(dict(account.told())),
        "apns": ApnsKey().pem(),
        "vapid": make_vapid_key(),
    }
