"""Start-up checks: settings a production process must not start without."""
