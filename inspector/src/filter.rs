//! One filter language, for what is shown and for what is routed.
