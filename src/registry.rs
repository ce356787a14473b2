//! Inputs and outputs by name.
