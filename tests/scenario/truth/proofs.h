// SPDX-License-Identifier: Apache-2.0
// What a proof is made of. Each returns an empty text, or what is missing and what was seen instead.
#pragma once

#include <initializer_list>

#include "tests/scenario/truth/row.h"

namespace tcpadvisor::truth {

/// Where the port of the story stands on a socket.
enum class Port { local, remote, either, free };  // free: it does not matter
/// Who holds a socket.
enum class Held { by_culprit, by_peer, by_nobody, by_anybody };

struct Which {
  std::string_view state = "ESTAB";
  Port port = Port::local;
  Held held = Held::by_anybody;
};

Proof all_of(std::vector<Proof> proofs);

/// A counter of the namespace rises by so much between the first look and the last, or by no more.
Proof rises(std::string_view counter, double at_least);
Proof rises_at_most(std::string_view counter, double at_most);

/// At each look (or at one in `share` of them) there are so many such sockets; `at_least` 0: as many as the story
/// counts.
Proof stand(Which which, double at_least = 0, double share = 1);
Proof none_stand(Which which);
Proof nobody_listens();
/// Such sockets have this timer, at each look.
Proof has_timer(Which which, std::string_view timer);
/// The largest number of such a socket at each look (or at one in `share` of them).
Proof has(Which which, std::string_view number, double at_least, double share = 1);
Proof has_at_most(Which which, std::string_view number, double at_most, double share = 1);
/// Their sum grows from the first look to the last, or not.
Proof grows(Which which, std::string_view number, double at_least);
Proof stays(Which which, std::string_view number);
/// The largest at one look is so many times the smallest at another.
Proof swings(Which which, std::string_view number, double times);
/// Segments sent again, of those sent.
Proof loses(Which which, double at_least, double at_most = 1);
/// srtt / min_rtt in the middle.
Proof queue_on_path(Which which, double at_least, double at_most);

/// Recv-Q of the listener, as a share of its backlog: at one look in `share`.
Proof accept_queue(double filled, double share = 1);
Proof accept_queue_moves(double filled_at_most);
Proof backlog_is(double value);

Proof process_is(char state);
Proof descriptors_at_limit();
Proof descriptors_without_socket();
Proof memory_grows(double kib);

/// Mbit/s over the device in its busier direction.
Proof carries(double at_least_mbit, double at_most_mbit, std::string_view device = "fault0");
Proof setting_is(std::string path, std::string value);

/// The same about the other end of the path.
Proof at_far_end(Proof proof);

}  // namespace tcpadvisor::truth
