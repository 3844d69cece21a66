"""Whether inspection treats the declared segments alike: rates with bounds, and an alarm for gaps that are proven."""
