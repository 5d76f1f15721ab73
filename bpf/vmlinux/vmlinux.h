/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel types that our programs read, with only the fields that they read. CO-RE (preserve_access_index) finds the
 * real offsets in the running kernel's BTF, so order, gaps and bit widths here mean nothing. Kept by hand; no BTF is
 * needed to build. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum bpf_map_type {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_LRU_HASH = 9,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_SK_STORAGE = 24,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1, BPF_SK_STORAGE_GET_F_CREATE = 1 };

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
  unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
  u64 regs[31], sp, pc, pstate;
};
struct pt_regs {
  struct user_pt_regs user_regs;
};
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  int counter;
} atomic_t;
typedef struct {
  long counter;
} atomic64_t;
typedef struct {
  atomic_t refs;
} refcount_t;

struct in6_addr {
  union {
    __u8 u6_addr8[16];
    __be32 u6_addr32[4];
  } in6_u;
};
struct ns_common {
  unsigned int inum;
};
struct hlist_node {
  struct hlist_node *next, **pprev;
};
struct hlist_nulls_node {
  struct hlist_nulls_node *next, **pprev;
};
struct rb_node {
  unsigned long __rb_parent_color;
};
struct inet_ehash_bucket; /* one pointer: to the first node, or an odd number */
struct inet_hashinfo {
  struct inet_ehash_bucket *ehash;
  unsigned int ehash_mask;
};
struct inet_timewait_death_row {
  struct inet_hashinfo *hashinfo;
};
struct netns_ipv4 {
  struct inet_timewait_death_row tcp_death_row;
};
struct net {
  struct ns_common ns;
  struct netns_ipv4 ipv4;
};
typedef struct {
  struct net *net;
} possible_net_t;
struct kernfs_node {
  u64 id;
};
struct cgroup {
  struct kernfs_node *kn;
};
struct sock_cgroup_data {
  struct cgroup *cgroup;
};
struct inode {
  unsigned long i_ino;
};
struct file {
  const void *f_op;
  void *private_data;
  struct inode *f_inode;
};
struct fdtable {
  unsigned int max_fds;
  struct file **fd;
};
struct files_struct {
  struct fdtable *fdt;
};
typedef enum { SS_FREE = 0, SS_UNCONNECTED, SS_CONNECTING, SS_CONNECTED, SS_DISCONNECTING } socket_state;
struct socket {
  socket_state state;
  unsigned long flags;
  struct file *file;
  struct sock *sk;
};
struct socket_alloc { /* what a socket is allocated as; include/net/sock.h, SOCK_INODE() */
  struct socket socket;
  struct inode vfs_inode;
};
struct timer_list {
  struct hlist_node entry;
};
struct proto {
  atomic64_t *memory_allocated;
  unsigned long *memory_pressure;
  long *sysctl_mem;
};

struct sock_common {
  __be32 skc_daddr;
  __be32 skc_rcv_saddr;
  unsigned int skc_hash; /* of addresses and ports */
  __be16 skc_dport;
  u16 skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  struct proto *skc_prot;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr;
  struct in6_addr skc_v6_rcv_saddr;
  atomic64_t skc_cookie;
  unsigned long skc_flags;
  struct hlist_nulls_node skc_nulls_node;
  refcount_t skc_refcnt;
};
struct sock {
  struct sock_common __sk_common;
  atomic_t sk_drops;
  struct {
    atomic_t rmem_alloc;
    int len;
  } sk_backlog;
  unsigned char sk_userlocks : 4; /* a byte of its own since 6.9: read as a bit field */
  int sk_rcvbuf;
  int sk_sndbuf;
  int sk_err;
  struct socket *sk_socket;
  int sk_forward_alloc;
  int sk_wmem_queued;
  struct timer_list sk_timer;
  u16 sk_protocol;
  u8 sk_shutdown;
  int sk_rcvlowat;
  unsigned long sk_lingertime, sk_pacing_rate;
  u32 sk_pacing_status;
  long sk_sndtimeo, sk_rcvtimeo;
  refcount_t sk_wmem_alloc;
  u32 sk_ack_backlog;
  u32 sk_max_ack_backlog;
  struct sock_cgroup_data sk_cgrp_data;
};
struct inet_sock {
  struct sock sk;
  __be16 inet_sport;
};
struct tcp_congestion_ops {
  char name[16];
};
struct inet_bind_bucket {
  signed char fastreuse;
};
struct inet_connection_sock {
  struct inet_sock icsk_inet;
  struct inet_bind_bucket *icsk_bind_hash;
  const struct tcp_congestion_ops *icsk_ca_ops;
  __u8 icsk_ca_state : 5; /* of a width that has changed: read as a bit field */
  __u8 icsk_pending;
  __u8 icsk_backoff;
  __u8 icsk_probes_out;
  __u32 icsk_rto, icsk_pmtu_cookie, icsk_user_timeout;
  struct {
    __u32 lrcvtime;
  } icsk_ack;
};
struct tcp_options_received {
  u16 snd_wscale : 4, rcv_wscale : 4;
};
struct minmax_sample {
  u32 t, v;
};
struct minmax {
  struct minmax_sample s[3];
};
struct tcp_sock {
  struct inet_connection_sock inet_conn;
  u64 bytes_received, bytes_sent, bytes_acked, bytes_retrans;
  u64 tcp_mstamp; /* us, of bpf_ktime_get_ns(): the last segment, or the last read by the program */
  u32 rcv_nxt, copied_seq, snd_nxt, snd_una, write_seq;
  u32 lsndtime, rcv_tstamp;
  u32 snd_wnd, rcv_wnd, snd_cwnd, mss_cache;
  u32 srtt_us;
  struct minmax rtt_min;
  struct {
    u32 rtt_us;
  } rcv_rtt_est;
  u32 total_retrans, undo_marker;
  u32 packets_out, lost_out, snd_ssthresh, data_segs_out, data_segs_in, delivered, dsack_dups, reord_seen, rcv_ooopack;
  u32 rate_delivered, rate_interval_us;
  u32 chrono_start;
  u32 chrono_stat[3];
  u8 chrono_type : 2, rate_app_limited : 1;
  u8 nonagle : 4, is_cwnd_limited : 1;
  u16 advmss;
  struct tcp_options_received rx_opt;
  bool is_mptcp;
};
struct inet_timewait_sock {
  struct sock_common __tw_common;
  volatile unsigned char tw_substate;
  struct inet_bind_bucket *tw_tb;
};
struct tcp_timewait_sock {
  struct inet_timewait_sock tw_sk;
};
struct tcp_request_sock;
struct request_sock {
  struct sock_common __req_common;
};
struct net_device {
  possible_net_t nd_net;
};
struct dst_entry {
  struct net_device *dev;
};
struct sk_buff {
  struct net_device *dev;
  struct sock *sk;
  char cb[48];
  unsigned long _skb_refdst; /* of a struct dst_entry; the lowest bit is a flag */
  __be16 protocol;
  __u16 network_header; /* from `head` on, as the next two */
  unsigned int tail, end;
  unsigned char *head;
};
struct skb_shared_info {
  unsigned short gso_segs;
};
struct tcp_skb_cb { /* what TCP keeps in `cb` */
  u16 tcp_gso_segs;
};

struct flowi_common {
  int flowic_oif, flowic_iif;
  __u8 flowic_proto;
};
union flowi_uli {
  struct {
    __be16 dport, sport;
  } ports;
};
struct flowi4 {
  struct flowi_common __fl_common;
  __be32 saddr, daddr;
  union flowi_uli uli;
};
struct flowi6 {
  struct flowi_common __fl_common;
  struct in6_addr daddr, saddr;
  union flowi_uli uli;
};
struct fib6_result {
  u8 fib6_type;
};
struct fib6_table {
  u32 tb6_id;
};

struct rlimit {
  unsigned long rlim_cur;
};
struct pid_namespace;
struct upid {
  int nr;
  struct pid_namespace *ns;
};
struct pid {
  unsigned int level;
  struct upid numbers[1]; /* one for each namespace from the first down to its own: level + 1 */
};
enum pid_type { PIDTYPE_PID = 0, PIDTYPE_TGID = 1 };
struct signal_struct {
  int nr_threads;
  struct pid *pids[4];
  struct rlimit rlim[16];
};
struct nsproxy {
  struct net *net_ns;
};
struct css_set {
  struct cgroup *dfl_cgrp;
};
struct mm_struct {
  struct file *exe_file;
};
struct task_struct {
  unsigned int flags;
  int pid, tgid;
  u64 start_boottime;
  struct mm_struct *mm;
  char comm[16];
  struct task_struct *real_parent, *group_leader;
  struct pid *thread_pid;
  struct files_struct *files;
  struct nsproxy *nsproxy;
  struct signal_struct *signal;
  struct css_set *cgroups;
};

struct seq_file;
struct bpf_iter_meta {
  struct seq_file *seq;
  u64 session_id, seq_num;
};
struct bpf_iter__tcp {
  struct bpf_iter_meta *meta;
  struct sock_common *sk_common;
  u32 uid;
};
struct bpf_iter__task_file {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
  u32 fd;
  struct file *file;
};

#pragma clang attribute pop

/* Kernel constants that BTF does not hold (they are macros there). */
enum {
  AF_INET = 2,
  AF_INET6 = 10,
  IPPROTO_TCP = 6,
  IPPROTO_MPTCP = 262,
  EPERM = 1,
  EAGAIN = 11,
  EACCES = 13,
  EINVAL = 22,
  ENETDOWN = 100,
  ENETUNREACH = 101,
  ETIMEDOUT = 110,
  ECONNREFUSED = 111,
  EHOSTDOWN = 112,
  EHOSTUNREACH = 113,
  MSG_DONTWAIT = 0x40,
  RLIMIT_NOFILE = 7,
  SOCK_NOSPACE = 2, /* bit in socket->flags (include/linux/net.h) */
  SOCK_DEAD = 0,    /* bits in sk_flags (include/net/sock.h) */
  SOCK_DONE = 1,
  SOCK_KEEPOPEN = 3,
  SOCK_LINGER = 4,
  SOCK_SNDBUF_LOCK = 1,
  SOCK_RCVBUF_LOCK = 2,
  RCV_SHUTDOWN = 1,
  PF_EXITING = 4,
  LOOPBACK_IFINDEX = 1,
  RT_TABLE_MAIN = 254,
  RTN_BLACKHOLE = 6, /* kinds of routes that fail (include/uapi/linux/rtnetlink.h) */
  RTN_UNREACHABLE = 7,
  RTN_PROHIBIT = 8,
};
enum { /* tcp_ca_state, and icsk_pending (include/net/inet_connection_sock.h) */
       TCP_CA_Recovery = 3,
       TCP_CA_Loss = 4,
       ICSK_TIME_LOSS_PROBE = 5,
};
enum {
  TCP_ESTABLISHED = 1,
  TCP_SYN_SENT,
  TCP_SYN_RECV,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_TIME_WAIT,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_CLOSING,
  TCP_NEW_SYN_RECV,
};

#endif
