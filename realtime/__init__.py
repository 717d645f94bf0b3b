"""Realtime: a self-hosted real-time backend for mobile chat and live-feed apps."""

__version__ = "0.1.0"
