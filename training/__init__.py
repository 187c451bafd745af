"""From hand-written utterances and logged exchanges to a bundle. Offline; nothing else imports it."""
