# SPDX-License-Identifier: Apache-2.0
defmodule TcpadvisorQueue.MixProject do
  use Mix.Project

  # Only Erlang, so that both languages may use it: :tcpadvisor_queue.start()
  def project, do: [app: :tcpadvisor_queue, version: "0.1.0", language: :erlang, deps: []]
  def application, do: []
end
