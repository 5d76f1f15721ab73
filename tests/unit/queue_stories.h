// SPDX-License-Identifier: Apache-2.0
// The stories of a queue in front of a socket, with the numbers that real programs were measured with. Both ends are
// on this host: beam.smp[812] sends, client[4711] does not read.
#pragma once

#include "tests/unit/builders.h"

namespace tcpadvisor::build {

inline const Endpoint kSenderEnd = Endpoint::v4(127, 0, 0, 1, 5000);
inline const Endpoint kReaderEnd = Endpoint::v4(127, 0, 0, 1, 40'000);

/// The sender's socket: nothing acknowledged any more, the peer's window closed.
inline SocketBuilder a_stuck_sender(std::uint64_t send_q) {
  return a_socket()
      .cookie(11)
      .local(kSenderEnd)
      .remote(kReaderEnd)
      .pid(812, "beam.smp")
      .send_q(send_q)
      .sndbuf(131'072, 131'000)
      .locks(true, true)
      .set([=](SocketRow& row) {
        row.not_sent = send_q;
        row.snd_wnd = 0;
        row.bytes_acked = 137'845;
        row.timer = Timer::persist;
        row.rwnd_limited_us = 900'000;
        row.sndbuf_limited_us = 0;
      });
}

inline SocketBuilder a_stuck_reader(std::uint64_t recv_q) {
  return a_socket()
      .cookie(12)
      .local(kReaderEnd)
      .remote(kSenderEnd)
      .pid(4711, "client")
      .recv_q(recv_q)
      .rcvbuf(262'144, 262'000)
      .locks(false, true)
      .set([](SocketRow& row) { row.rcv_wnd = 0; });
}

inline void add_listener(SampleBuilder& sample) {
  sample.add(a_socket().cookie(10).listen(5000, 0, 128).pid(812, "beam.smp").drops(0));
}

/// S1: 1,047,552 bytes answered, 268,789 of them taken by the kernels, then the peer stops and the server shuts down.
inline UserQueueBuilder s1_queue() {
  return a_user_queue().of(a_stuck_sender(130'944)).queued(778'763, 1'047'552).busy(0);
}
inline Window s1_pending_window(std::size_t samples = 9) {
  return a_window(samples, [](SampleBuilder& sample, std::size_t) {
    add_listener(sample);
    sample.add(a_stuck_sender(130'944)).add(a_stuck_reader(137'845)).add(s1_queue().pending_shutdown());
  });
}

/// The same with a driver that gives up after 5 s without progress: the queue is thrown away, the kernel keeps its
/// part.
inline Window s1_dropped_window() {
  return a_window(9, [](SampleBuilder& sample, std::size_t i) {
    add_listener(sample);
    SocketBuilder sender = a_stuck_sender(130'944);
    if (i >= 5) sender.state(TcpState::fin_wait_1);
    sample.add(sender).add(a_stuck_reader(137'845));
    if (i < 5) {
      sample.add(s1_queue().pending_shutdown());
    } else {
      sample.add(s1_queue().queued(0, 1'047'552).dropped(778'763).ended());
    }
  });
}

/// S2: one byte at a time, marks 2/1, buffers of "1": the 4,356th send waits.
inline Window s2_window() {
  return a_window(6, [](SampleBuilder& sample, std::size_t) {
    add_listener(sample);
    SocketRow sender = a_stuck_sender(3'202).sndbuf(4'608, 4'600), reader = a_stuck_reader(1'152).rcvbuf(2'304, 2'304);
    sample.add(sender).add(reader).add(a_user_queue().of(sender).queued(2, 4'356).marks(2, 1).busy(1));
  });
}

/// S3: 50 senders through one port; what the driver gets goes out at once.
inline UserQueueBuilder s3_queue(std::size_t i) {
  return a_user_queue()
      .of(a_stuck_sender(0))
      .queued(0, 4'000'000 * (i + 1))
      .message_queue(8'300 - 40 * (i % 3), 48)
      .set([](UserQueue& queue) { queue.waited_ms = 12; });
}
inline Window s3_window() {
  return a_window(6, [](SampleBuilder& sample, std::size_t i) {
    add_listener(sample);
    SocketBuilder sender = a_stuck_sender(20'000 + i).set([&](SocketRow& row) {
      row.bytes_acked = 4'000'000 * (i + 1);
      row.snd_wnd = 500'000;
      row.timer = Timer::retransmit;
    });
    sample.add(sender).add(a_stuck_reader(0).rcvbuf(262'144, 0).set([](SocketRow& row) { row.rcv_wnd = 200'000; }));
    sample.add(s3_queue(i));
  });
}

/// S4: the far node is slow, and control signals go on passing the busy limit of 1 MiB; plain sends with nosuspend are
/// turned away.
inline Window s4_window(std::uint64_t bypass_per_s = 4'000'000) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t i) {
    add_listener(sample);
    SocketRow sender = a_stuck_sender(7'137);
    std::uint64_t past = bypass_per_s * i, queued = 1'057'064 + past;
    sample.add(sender).add(a_stuck_reader(4'227).rcvbuf(8'192, 8'100));
    sample.add(a_user_queue()
                   .of(sender)
                   .queued(queued, 1'068'428 + past)
                   .marks(1'048'576, 0)
                   .busy(0, 3)
                   .bypassed(past)
                   .refused(1'000 * i)
                   .set([](UserQueue& queue) { queue.message_queue.reset(), queue.message_busy.reset(); }));
  });
}

}  // namespace tcpadvisor::build
