// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/packet_filter.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

namespace tcpadvisor::traffic {
namespace {

constexpr std::string_view kTable = "tcpadvisor-test";

/// A transaction of the packet filter.
class Batch {
 public:
  Batch() { mark(NFNL_MSG_BATCH_BEGIN); }

  template <typename Fill>
  void message(std::uint16_t type, std::uint16_t flags, Fill fill) {
    std::size_t at = begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                           static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags), NFPROTO_INET, 0);
    fill();
    end(at);
  }
  void text(std::uint16_t type, std::string_view value) {
    std::vector<char> with_end(value.begin(), value.end());
    with_end.push_back('\0');
    attribute(type, with_end.data(), with_end.size());
  }
  void number(std::uint16_t type, std::uint32_t value) {
    value = htonl(value);
    attribute(type, &value, sizeof value);
  }
  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    nlattr head{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + size), .nla_type = type};
    add(&head, sizeof head);
    add(data, size);
  }
  template <typename Fill>
  void nest(std::uint16_t type, Fill fill) {
    const std::size_t at = bytes_.size();
    nlattr head{.nla_len = 0, .nla_type = static_cast<std::uint16_t>(type | NLA_F_NESTED)};
    add(&head, sizeof head);
    fill();
    head.nla_len = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &head, sizeof head);
  }
  template <typename Fill>
  void expression(std::string_view name, Fill fill) {
    nest(NFTA_LIST_ELEM, [&] {
      text(NFTA_EXPR_NAME, name);
      nest(NFTA_EXPR_DATA, fill);
    });
  }

  /// 0, or the first errno that the kernel answers.
  int commit() {
    mark(NFNL_MSG_BATCH_END);
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0) return errno;
    int error = send(fd, bytes_.data(), bytes_.size(), 0) < 0 ? errno : 0;
    std::vector<char> answer(65'536);
    while (error == 0) {  // the answers are there when send() returns
      ssize_t got = recv(fd, answer.data(), answer.size(), MSG_DONTWAIT);
      if (got <= 0) break;
      for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(got);) {
        nlmsghdr head{};
        std::memcpy(&head, answer.data() + at, sizeof head);
        int code = 0;
        if (head.nlmsg_type == NLMSG_ERROR) std::memcpy(&code, answer.data() + at + sizeof head, sizeof code);
        if (code != 0 && error == 0) error = -code;
        at += (std::max<std::size_t>(head.nlmsg_len, sizeof head) + 3) / 4 * 4;
      }
    }
    close(fd);
    return error;
  }

 private:
  void mark(std::uint16_t type) { end(begin(type, NLM_F_REQUEST, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)); }
  std::size_t begin(std::uint16_t type, std::uint16_t flags, std::uint8_t family, std::uint16_t resource) {
    const std::size_t at = bytes_.size();
    nlmsghdr head{};
    head.nlmsg_type = type;
    head.nlmsg_flags = flags;
    head.nlmsg_seq = 1;
    add(&head, sizeof head);
    const nfgenmsg about{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
    add(&about, sizeof about);
    return at;
  }
  void end(std::size_t at) {
    const auto size = static_cast<std::uint32_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &size, sizeof size);
  }
  void add(const void* data, std::size_t size) {
    const auto* first = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
  }

  std::vector<char> bytes_;
};

}  // namespace

bool drop_packets(Hook hook, std::uint32_t modulus, std::string& why_not) {
  const std::string_view chain = hook == Hook::input ? "in" : "out";
  Batch batch;
  batch.message(NFT_MSG_NEWTABLE, NLM_F_CREATE, [&] { batch.text(NFTA_TABLE_NAME, kTable); });
  batch.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&] {
    batch.text(NFTA_CHAIN_TABLE, kTable);
    batch.text(NFTA_CHAIN_NAME, chain);
    batch.text(NFTA_CHAIN_TYPE, "filter");
    batch.nest(NFTA_CHAIN_HOOK, [&] {
      batch.number(NFTA_HOOK_HOOKNUM, static_cast<std::uint32_t>(hook));
      batch.number(NFTA_HOOK_PRIORITY, 0);
    });
  });
  batch.message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [&] {
    batch.text(NFTA_RULE_TABLE, kTable);
    batch.text(NFTA_RULE_CHAIN, chain);
    batch.nest(NFTA_RULE_EXPRESSIONS, [&] {
      batch.expression("numgen", [&] {
        batch.number(NFTA_NG_DREG, NFT_REG_1);
        batch.number(NFTA_NG_MODULUS, modulus);
        batch.number(NFTA_NG_TYPE, NFT_NG_INCREMENTAL);
        batch.number(NFTA_NG_OFFSET, 0);
      });
      batch.expression("cmp", [&] {
        batch.number(NFTA_CMP_SREG, NFT_REG_1);
        batch.number(NFTA_CMP_OP, NFT_CMP_EQ);
        batch.nest(NFTA_CMP_DATA, [&] { batch.number(NFTA_DATA_VALUE, 0); });
      });
      batch.expression("immediate", [&] {
        batch.number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        batch.nest(NFTA_IMMEDIATE_DATA,
                   [&] { batch.nest(NFTA_DATA_VERDICT, [&] { batch.number(NFTA_VERDICT_CODE, NF_DROP); }); });
      });
    });
  });
  if (int error = batch.commit(); error != 0) {
    why_not = std::string("the packet filter takes no rule: ") + std::strerror(error);
    return false;
  }
  return true;
}

void drop_no_packets() {
  Batch batch;
  batch.message(NFT_MSG_DELTABLE, 0, [&] { batch.text(NFTA_TABLE_NAME, kTable); });
  batch.commit();
}

}  // namespace tcpadvisor::traffic
