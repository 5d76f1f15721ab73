// SPDX-License-Identifier: Apache-2.0
// Story S2: single bytes, tiny marks and buffers, and the question which send blocks.
#pragma once

#include "agent/port/scenario/scenario.h"
#include "agent/port/scenario/stage.h"

namespace tcpadvisor::port::scenario {

Setup puzzle_setup(bool unix_sockets);
/// To probe, to be blocked for longer than a delayed ACK takes, and to read as much as the kernel wants to see read.
std::chrono::milliseconds puzzle_needs(bool unix_sockets);
/// Probes the kernel, predicts, sends until one blocks, lets the peer read until it returns, and explains.
void play_puzzle(Stage& stage);
/// The same on a kernel that takes 5 bytes and is writable again when 3 are free; exact, and in no time.
void play_puzzle_on_fake(const Tell& tell);

}  // namespace tcpadvisor::port::scenario
