"""Transports: the door, websocket connections, and HTTP with the server API, health and pages."""
