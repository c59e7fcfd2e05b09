"""What every request passes: a request id, a live session, refusals as answers."""
