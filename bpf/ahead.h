/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading ahead. What the walks look at lies all over memory, on a large host in no cache, and the place of one thing
 * is known only once another has been read: a walk would wait three times for each descriptor, and do nothing
 * meanwhile. Here the places of those that come next are read beside each other, which takes about as long as reading
 * one. Nothing comes of what is read: it may be old, or about to be freed. */
#ifndef TCPADVISOR_AHEAD_H
#define TCPADVISOR_AHEAD_H

#include "bpf/store.h"
#include "bpf/vmlinux/flavors.h"

/* A number as a pointer that can be read from: a read that faults gives 0. Kernels >= 6.2; cfg.read_ahead says so. */
extern void *bpf_rdonly_cast(const void *object, u32 type) __ksym __weak;
#define TA_AS(type, address) ((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))

/* A read that the compiler may not leave out. */
#define TA_TOUCH(value)             \
  ({                                \
    u64 unused = (u64)(value);      \
    asm volatile("" ::"r"(unused)); \
  })

enum {
  /* of each kind; twice as many are not faster (`./dev bench snapshot`) */
  TA_FILES_AHEAD = 4,
  TA_BUCKETS_AHEAD = 16,
};

/* One word of an array of pointers. As a number: a type that begins with one serves. */
static __always_inline u64 word_at(const void *array, u64 index) {
  return TA_AS(struct rb_node, (u64)array + index * sizeof(u64))->__rb_parent_color;
}

static __always_inline void touch_sock(struct sock *sk) {
  TA_TOUCH(sk->__sk_common.skc_state);
  TA_TOUCH(sk->sk_backlog.rmem_alloc.counter);
  TA_TOUCH(sk->sk_socket);
  TA_TOUCH(sk->sk_wmem_queued);
  TA_TOUCH(sk->sk_protocol);
}

/* ---- the walk over descriptors: files, the sockets of nearer ones, the states of those that come next ---- */

static const void *socket_operations; /* what tells a file that is a socket; known once one was seen */

static __always_inline void touch_file(u64 address) {
  struct file *file = TA_AS(struct file, address);
  struct file___count *older = (void *)file;
  struct file___ref *newer = (void *)file;
  TA_TOUCH(file->f_op);
  if (bpf_core_field_exists(older->f_count))
    TA_TOUCH(older->f_count.counter);
  else if (bpf_core_field_exists(newer->f_ref))
    TA_TOUCH(newer->f_ref.refcnt.counter);
}

/* Only what belongs to a socket is followed: another file's data may have a device's registers where a socket has its
 * state, and reading these can change them. */
static __always_inline struct socket *socket_of(u64 address) {
  struct file *file = TA_AS(struct file, address);
  return file->f_op == socket_operations ? TA_AS(struct socket, file->private_data) : NULL;
}

static __always_inline void touch_socket_of(u64 address) {
  struct socket *socket = socket_of(address);
  if (socket) TA_TOUCH(socket->sk);
}

static __always_inline void touch_sock_of(u64 address) {
  struct socket *socket = socket_of(address);
  if (!socket || (u64)socket->file != address) return;
  touch_sock(socket->sk);
  TA_TOUCH(socket->sk->sk_max_ack_backlog); /* networks.h */
}

static __always_inline void read_files_ahead(struct task_struct *task, u32 fd) {
  if (!cfg.read_ahead || fd % TA_FILES_AHEAD || !socket_operations) return;
  struct fdtable *table = task->files->fdt;
  if (fd + 4 * TA_FILES_AHEAD > table->max_fds) return;
#pragma unroll
  for (u32 i = fd; i < fd + TA_FILES_AHEAD; i++) touch_file(word_at(table->fd, i + 3 * TA_FILES_AHEAD));
#pragma unroll
  for (u32 i = fd; i < fd + TA_FILES_AHEAD; i++) touch_socket_of(word_at(table->fd, i + 2 * TA_FILES_AHEAD));
#pragma unroll
  for (u32 i = fd; i < fd + TA_FILES_AHEAD; i++) touch_sock_of(word_at(table->fd, i + TA_FILES_AHEAD));
}

/* ---- the walk over sockets: the kernel takes its table bucket by bucket; here the first of each that comes next ----
 */

static u32 buckets_read; /* which group of them */

static __always_inline void touch_bucket(struct inet_hashinfo *table, u32 bucket, struct net *net) {
  u64 first = word_at(table->ehash, bucket);
  if (!first || first & 1) return; /* nobody there */
  struct sock *sk = TA_AS(struct sock, first - bpf_core_field_offset(struct sock_common, skc_nulls_node));
  TA_TOUCH(sk->__sk_common.skc_nulls_node.next);
  TA_TOUCH(sk->__sk_common.skc_refcnt.refs.counter);
  if (sk->__sk_common.skc_net.net != net) return; /* the walk does not look further, either */
  touch_sock(sk);
  TA_TOUCH(sk->sk_cgrp_data.cgroup);
}

static __always_inline void read_buckets_ahead(struct sock_common *skc) {
  if (!cfg.read_ahead) return;
  struct net *net = skc->skc_net.net;
  struct inet_hashinfo *table = net->ipv4.tcp_death_row.hashinfo;
  u32 group = (skc->skc_hash & table->ehash_mask) / TA_BUCKETS_AHEAD + 1;
  if (group == buckets_read) return;
  buckets_read = group;
#pragma unroll
  for (u32 i = 0; i < TA_BUCKETS_AHEAD; i++)
    touch_bucket(table, (group * TA_BUCKETS_AHEAD + i) & table->ehash_mask, net);
}

#endif
