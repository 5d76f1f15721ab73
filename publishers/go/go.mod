// SPDX-License-Identifier: Apache-2.0
module tcpadvisor.local/tcpadvisorqueue

go 1.18
