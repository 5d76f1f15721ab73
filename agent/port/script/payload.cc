// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/payload.h"

#include <fmt/format.h>

#include <algorithm>

namespace tcpadvisor::port::script {
namespace {

/// Byte number `at` of a sender. The lower half comes from a hash, so that a shift by any number of bytes shows.
std::uint8_t byte_at(std::size_t sender, std::uint64_t at) {
  std::uint64_t mixed = (at + 1 + sender) * 0x9E3779B97F4A7C15ULL;
  mixed ^= mixed >> 29;
  return static_cast<std::uint8_t>((sender << 4) | ((mixed >> 32) & 15));
}

}  // namespace

Payload::Sender& Payload::sender(std::size_t index) {
  if (senders_.size() <= index) senders_.resize(index + 1);
  return senders_[index];
}

std::string Payload::next(std::size_t index, std::size_t bytes) {
  Sender& from = sender(index);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(byte_at(index, from.made++));
  if (bytes > 0 || header_ > 0) from.sends.push_back(bytes);
  return text;
}

void Payload::take_back(std::size_t index, std::size_t bytes) {
  Sender& from = sender(index);
  if ((bytes == 0 && header_ == 0) || from.sends.empty()) return;
  from.made -= from.sends.back();
  from.sends.pop_back();
}

std::unexpected<Error> Payload::wrong(std::string_view why) const {
  return fail(ErrorCode::failed, fmt::format("byte {} of the stream {}", arrived_ + 1, why));
}

Status Payload::begin_empty() {
  auto at = std::ranges::find_if(senders_, [](const Sender& s) { return !s.sends.empty() && s.sends.front() == 0; });
  if (at == senders_.end()) return wrong("ends a packet of 0 bytes that nobody sent");
  at->sends.pop_front();
  return {};
}

Status Payload::begin(std::size_t announced, std::uint8_t first) {
  current_ = first >> 4;
  if (current_ >= senders_.size() || senders_[current_].sends.empty()) return wrong("was sent by nobody");
  Sender& from = senders_[current_];
  left_ = from.sends.front();
  if (header_ > 0 && announced != left_) {
    return wrong(fmt::format("begins a packet of {} bytes where one of {} was sent", announced, left_));
  }
  from.sends.pop_front();
  return {};
}

Status Payload::check(std::string_view bytes) {
  if (!checks_) {
    arrived_ += bytes.size();
    return {};
  }
  for (char c : bytes) {
    auto byte = static_cast<std::uint8_t>(c);
    if (left_ == 0 && !body_begins_ && header_ > 0) {
      header_read_.push_back(c);
      if (header_read_.size() == header_) {
        announced_ = 0;
        for (char h : header_read_) announced_ = (announced_ << 8) | static_cast<std::uint8_t>(h);
        header_read_.clear();
        body_begins_ = announced_ > 0;
        if (!body_begins_) {
          if (Status status = begin_empty(); !status) return status;
        }
      }
      ++arrived_;
      continue;
    }
    if (left_ == 0) {
      if (Status status = begin(announced_, byte); !status) return status;
      body_begins_ = false;
    }
    Sender& from = senders_[current_];
    if (byte != byte_at(current_, from.arrived)) return wrong("is not the next one of its sender");
    ++from.arrived;
    ++arrived_;
    --left_;
  }
  return {};
}

}  // namespace tcpadvisor::port::script
