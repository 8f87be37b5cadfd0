//! adieu-sim
