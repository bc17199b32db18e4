-- Trace contexts (W3C traceparent), so that a job and a webhook continue the trace of the request that caused them.

ALTER TABLE job ADD COLUMN traceparent TEXT;                        -- of the transaction that caused the job; NULL: traces were not exported
ALTER TABLE event ADD COLUMN traceparent TEXT;                      -- of the transaction that wrote the event; NULL: traces were not exported
