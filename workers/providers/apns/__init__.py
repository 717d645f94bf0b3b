"""Notifications for Apple's devices, by APNs: HTTP/2 with provider tokens."""
