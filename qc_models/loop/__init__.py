"""From reviews to a better model: labels, challengers, shadow scores, replay, the rule of promotion, drift by cause."""
