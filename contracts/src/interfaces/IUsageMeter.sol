// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../types/ModelId.sol";
import {Order, Request, UsageReceipt} from "../types/Usage.sol";

/// @title Takes paid requests and turns signed usage receipts into fees.
/// @notice A request is opened by the consumer of its model, which creates its Infernet subscription and has its escrow
///         moved to the distributor. An order is signed by its requester and comes with its answer: the fee is taken
///         from the requester's balance at that moment.
/// @notice Assumptions: the consumer named in a request is the model host's own contract, so it is trusted to pass on
///         what Infernet delivered to it, and with nothing else: it can neither take more than the escrow of its requests
///         nor touch those of another consumer, nor charge an account that did not sign.
/// @dev Each request takes one slot; its facts and payload are kept as contract code that the slot points to.
interface IUsageMeter {
    /// @notice How to open a request.
    /// @param modelId model that has to answer; the caller must be its consumer
    /// @param requester who pays and gets unused escrow back
    /// @param subscriptionId Infernet subscription that carries the request
    /// @param intervals intervals to be answered, at least 1
    /// @param redundancy nodes that answer each interval, 1 to 16
    /// @param deadline unix seconds after which answers are refused
    struct Opening {
        ModelId modelId;
        address requester;
        uint32 subscriptionId;
        uint32 intervals;
        uint16 redundancy;
        uint40 deadline;
    }

    /// @notice How far a request has come.
    /// @param deliveriesLeft answers still to be paid; 0 when the request is unknown or over
    /// @param interval last interval that got an answer
    /// @param answered one bit for each listed node that answered it
    struct Progress {
        uint32 deliveriesLeft;
        uint32 interval;
        uint32 answered;
    }

    /// @notice Thrown when the caller is not the consumer of the model or order.
    error NotConsumer(address consumer, address caller);
    /// @notice Thrown when the model takes no new requests.
    error ModelNotActive(ModelId modelId);
    /// @notice Thrown when the operator of the contracts paused new requests.
    error RequestsArePaused();
    /// @notice Thrown when the caller is not the owner of the contracts.
    error NotOwner(address caller);
    /// @notice Thrown when intervals or redundancy are outside what is allowed.
    error ScheduleInvalid(uint256 intervals, uint256 redundancy);
    /// @notice Thrown when a deadline is not in the future.
    error DeadlineInvalid(uint256 deadline);
    /// @notice Thrown when the payload is empty or longer than `MAX_PAYLOAD_BYTES`.
    error PayloadSizeInvalid(uint256 size);
    /// @notice Thrown when a request was opened for this subscription before.
    error RequestAlreadyOpen(bytes32 requestId);
    /// @notice Thrown when the request is unknown or over, and the delivery brings no order.
    error RequestNotOpen(bytes32 requestId);
    /// @notice Thrown when an order was answered before.
    error OrderUsed(bytes32 requestId);
    /// @notice Thrown when an order is not signed by its requester.
    error OrderSignatureInvalid(bytes32 digest, address requester);
    /// @notice Thrown when the model's terms are not those that an order was signed for.
    error TermsChanged(ModelId modelId);
    /// @notice Thrown when a delivery does not decode as (answer, receipt), or a proof as (receipt, signature).
    error OutputMalformed(uint256 size);
    /// @notice Thrown when an answer comes after the deadline.
    error DeadlinePassed(bytes32 requestId, uint256 deadline);
    /// @notice Thrown when escrow is asked back before the deadline.
    error DeadlineNotPassed(bytes32 requestId, uint256 deadline);
    /// @notice Thrown when the receipt speaks of another request.
    error ReceiptRequestMismatch(bytes32 expected, bytes32 actual);
    /// @notice Thrown when the receipt speaks of another model.
    error ReceiptModelMismatch(ModelId expected, ModelId actual);
    /// @notice Thrown when the receipt speaks of another requester.
    error ReceiptRequesterMismatch(address expected, address actual);
    /// @notice Thrown when the receipt was made for another node.
    error ReceiptNodeMismatch(address expected, address actual);
    /// @notice Thrown when the receipt was made for another interval.
    error ReceiptIntervalMismatch(uint32 expected, uint32 actual);
    /// @notice Thrown when the receipt was made for another input.
    error ReceiptInputMismatch(bytes32 expected, bytes32 actual);
    /// @notice Thrown when the receipt was made for another output.
    error ReceiptOutputMismatch(bytes32 expected, bytes32 actual);
    /// @notice Thrown when the receipt is not signed by the model's receipt signer.
    error ReceiptSignatureInvalid(bytes32 digest, address receiptSigner);
    /// @notice Thrown when the model did not list the node.
    error NodeNotListed(ModelId modelId, address node);
    /// @notice Thrown when this node was paid for this interval before.
    error ReceiptAlreadyRecorded(bytes32 requestId, uint32 interval, address node);
    /// @notice Thrown when an answer comes for an interval older than one already answered.
    error IntervalPassed(bytes32 requestId, uint32 interval, uint32 latest);
    /// @notice Thrown when a count of tokens is above the cap of the request.
    error UsageAboveCap(uint256 tokens, uint256 cap);
    /// @notice Thrown when a count of tokens is more than the bytes can hold.
    error UsageAboveBytes(uint256 tokens, uint256 mostTokens);

    /// @notice A request was made; `escrow` base units are kept for it.
    event RequestOpened(
        bytes32 indexed requestId, ModelId indexed modelId, address indexed requester, Request request, uint256 escrow
    );
    /// @notice An answer was accepted. `fee` = `hostPart` + `trainingPart` + `validatorPart`, in base units;
    ///         `refund` is what of this answer's escrow went back to the requester's balance.
    event UsageRecorded(
        bytes32 indexed requestId,
        ModelId indexed modelId,
        address indexed node,
        uint32 interval,
        uint32 promptTokens,
        uint32 completionTokens,
        uint256 fee,
        uint256 hostPart,
        uint256 trainingPart,
        uint256 validatorPart,
        uint256 refund
    );
    /// @notice A request ended early or after its deadline; `refund` went to the requester's balance.
    event RequestClosed(bytes32 indexed requestId, address indexed requester, uint256 refund);
    /// @notice New requests were stopped or allowed again.
    event RequestsPaused(bool paused);

    /// @notice Prompt tokens that a chat template may add to the payload's own: most known templates add 10 to 60.
    function PROMPT_OVERHEAD_TOKENS() external view returns (uint256);

    /// @notice Most nodes that may answer one interval.
    function MAX_REDUNDANCY() external view returns (uint256);

    /// @notice Longest payload: a contract's largest code less the facts stored beside it.
    function MAX_PAYLOAD_BYTES() external view returns (uint256);

    /// @notice EIP-712 domain separator of receipts.
    function domainSeparator() external view returns (bytes32);

    /// @notice True while new requests are refused.
    function requestsPaused() external view returns (bool);

    /// @notice What a request costs at most.
    /// @return perAnswer highest fee of one answer, in base units of the payment token
    /// @return escrow `perAnswer` times intervals times redundancy
    function quote(ModelId modelId, uint32 intervals, uint16 redundancy)
        external
        view
        returns (uint256 perAnswer, uint256 escrow);

    /// @notice Opens a request whose escrow the caller moved to the distributor just before.
    /// @param payload OpenAI chat-completion body as JSON, or plain prompt text, UTF-8
    /// @return requestId id of the request
    function open(Opening calldata opening, bytes calldata payload) external returns (bytes32 requestId);

    /// @notice Checks what was delivered for a subscription of the caller, computes its fee and books it.
    /// @dev Rounds the fee up. Touches no token. Anything wrong reverts with the error that names it. Without a request
    ///      for the subscription, the proof must bring an order; `subscriptionId` then has no meaning here.
    /// @param node who delivers
    /// @param output abi.encode(bytes answer, bytes abi.encode(UsageReceipt))
    /// @param proof the receipt's signature in one of the forms that OutputLib names
    /// @return requestId request or order that was answered
    function record(uint32 subscriptionId, uint32 interval, address node, bytes calldata output, bytes calldata proof)
        external
        returns (bytes32 requestId);

    /// @notice Reverts with the error that `record` would revert with, as far as the proof alone tells; otherwise does
    ///         nothing. The hash of the answer and the bound that its length sets are taken as the receipt says.
    /// @dev For an order it leaves out whether the requester's balance covers the fee.
    /// @param proof abi.encode(UsageReceipt, bytes signature), or with an order behind
    function checkProof(
        address consumer,
        uint32 subscriptionId,
        uint32 interval,
        address node,
        bytes calldata proof
    ) external view;

    /// @notice Ends a request and gives unused escrow to the requester's balance.
    /// @dev Anyone after the deadline; the consumer at any time.
    function close(address consumer, uint32 subscriptionId) external returns (uint256 refund);

    /// @notice Stops or allows new requests. Answers, claims and refunds go on. Owner of the distributor only.
    function setRequestsPaused(bool paused) external;

    /// @notice Id of a request: keccak256(abi.encode(consumer, subscriptionId)).
    function requestIdOf(address consumer, uint32 subscriptionId) external pure returns (bytes32);

    /// @notice A request and its payload, also when it is over; empty when unknown.
    function requestOf(address consumer, uint32 subscriptionId)
        external
        view
        returns (Request memory request, bytes memory payload);

    /// @notice How far a request or order has come.
    function progressOf(bytes32 requestId) external view returns (Progress memory);

    /// @notice EIP-712 digest that a receipt signer signs.
    function receiptDigest(UsageReceipt calldata receipt) external view returns (bytes32);

    /// @notice EIP-712 digest that a requester signs: the id of the order.
    function orderDigest(Order calldata order) external view returns (bytes32);
}
