//! The first program of an agent's container; what it does is told in the library beside it.
//!
//! This file and its two modules are what a C library would otherwise bring: the first instruction,
//! the memory functions that the compiler takes for granted, and an end for a panic.

#![no_std]
#![no_main]

mod entry;
mod memory;
