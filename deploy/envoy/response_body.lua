-- Answers one field of a message where the protos say `response_body`, which Envoy's transcoder does
-- not know: of {"task":{…},"cancellation":{…}} the task alone. It is the first field of its message,
-- so all that has to be found is where it ends.
local ANSWERS = {
  { "GET", "^/checkout/[^/]+$", "task" },
  { "DELETE", "^/checkout/[^/]+$", "task" },
  { "POST", "^/v1/checkouts/[^/]+/cancel$", "checkout" },
  { "POST", "^/v1/carts/[^/]+/cancel$", "checkout" },
  { "POST", "^/orders/[^/]+/cancel$", "order" },
}

local NAMESPACE = "countermand.response_body"

-- The object that begins at `first`; nil if the text ends before it does.
local function object_at(text, first)
  local depth, at = 0, first
  while true do
    at = text:find('["{}]', at)
    if not at then
      return nil
    end
    local found = text:sub(at, at)
    if found == '"' then
      -- To the end of the string: a quote is escaped by an odd number of backslashes.
      repeat
        at = text:find('"', at + 1, true)
        if not at then
          return nil
        end
        local slashes = 0
        while text:byte(at - slashes - 1) == 92 do
          slashes = slashes + 1
        end
      until slashes % 2 == 0
    elseif found == "{" then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then
        return text:sub(first, at)
      end
    end
    at = at + 1
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local method, path = headers:get(":method"), headers:get(":path"):match("^[^?]*")
  for _, answer in ipairs(ANSWERS) do
    if method == answer[1] and path:find(answer[2]) then
      handle:streamInfo():dynamicMetadata():set(NAMESPACE, "field", answer[3])
    end
  end
end

function envoy_on_response(handle)
  local chosen = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  if not chosen or handle:headers():get(":status") ~= "200" then
    return
  end
  local body = handle:body()
  if not body then
    return
  end
  local text = body:getBytes(0, body:length())
  local opening = '{"' .. chosen["field"] .. '":'
  -- A cancel that came before its task has none to answer.
  local answer = "{}"
  if text:sub(1, #opening + 1) == opening .. "{" then
    answer = object_at(text, #opening + 1) or "{}"
  end
  handle:headers():replace("content-length", body:setBytes(answer))
end
