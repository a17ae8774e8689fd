-- Which tasks a holder has, or a filter without one: the numbers of their rows. In a reading the
-- holder is named by parameters; in a commit {wanted} joins a table of wanted holders.

-- name: group
SELECT {of_target}m.task_no FROM {wanted}tasks AS m INDEXED BY tasks_by_group
WHERE m.namespace_no = {namespace_no} AND m.group_id = {holder_id}

-- name: checkout
SELECT {of_target}m.task_no FROM {wanted}tasks AS m INDEXED BY tasks_by_checkout
WHERE m.namespace_no = {namespace_no} AND m.checkout_id = {holder_id}

-- name: order
SELECT {of_target}m.task_no FROM {wanted}tasks AS m INDEXED BY tasks_by_order
WHERE m.namespace_no = {namespace_no} AND m.order_id = {holder_id}
UNION
SELECT {of_target}m.task_no
FROM {wanted}order_checkouts AS o
CROSS JOIN tasks AS m INDEXED BY tasks_by_checkout
    ON m.namespace_no = o.namespace_no AND m.checkout_id = o.checkout_id
WHERE o.namespace_no = {namespace_no} AND o.order_id = {holder_id}

-- name: agent
SELECT m.task_no FROM tasks AS m INDEXED BY tasks_live_by_agent
WHERE m.namespace_no = :namespace_no AND m.agent_id = :agent_id AND m.end_time IS NULL

-- name: live
SELECT m.task_no FROM tasks AS m INDEXED BY tasks_live
WHERE m.namespace_no = :namespace_no AND m.end_time IS NULL

-- name: refund
SELECT m.task_no FROM tasks AS m INDEXED BY tasks_by_refund
WHERE m.namespace_no = :namespace_no
    AND m.refund_state = :refund_state AND m.refund_state <> 'NONE'

-- name: merchant
SELECT m.task_no FROM tasks AS m INDEXED BY tasks_by_merchant
WHERE m.namespace_no = :namespace_no AND m.merchant = :merchant AND m.merchant <> ''

-- name: label
SELECT m.task_no FROM task_labels AS m
WHERE m.namespace_no = :namespace_no AND m.digest = :label_digest

-- name: all
SELECT m.task_no FROM tasks AS m INDEXED BY tasks_by_namespace
WHERE m.namespace_no = :namespace_no
