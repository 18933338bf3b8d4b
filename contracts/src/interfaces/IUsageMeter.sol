// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../types/ModelId.sol";
import {Request, UsageReceipt} from "../types/Usage.sol";

/// @title Takes paid requests and turns signed usage receipts into fees.
/// @notice Assumptions: the consumer named in a request is the model host's own contract, so it is trusted to pass the
///         true input and output of its own requests, and with nothing else: it can neither take more than the escrow
///         of its requests nor touch those of another consumer.
/// @dev Only a hash of each request is kept, with one slot of progress; callers bring the request itself.
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

    /// @notice What was delivered, as the consumer saw it.
    /// @param node who delivered
    /// @param interval which interval
    /// @param inputHash EIP-712 struct hash of the task envelope for that node and interval
    /// @param outputHash keccak256 of the answer's bytes
    /// @param promptBytes length of the request's payload
    /// @param outputBytes length of the answer
    struct Delivery {
        address node;
        uint32 interval;
        bytes32 inputHash;
        bytes32 outputHash;
        uint256 promptBytes;
        uint256 outputBytes;
    }

    /// @notice How far a request has come.
    /// @param deliveriesLeft answers still to be paid; 0 when the request is unknown or over
    /// @param interval last interval that got an answer
    /// @param answered one bit for each listed node that answered it
    struct Progress {
        uint48 deliveriesLeft;
        uint32 interval;
        uint32 answered;
    }

    /// @notice Thrown when the caller is not the consumer of the model or request.
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
    /// @notice Thrown when a request of the same id is open.
    error RequestAlreadyOpen(bytes32 requestId);
    /// @notice Thrown when the request is unknown or over.
    error RequestNotOpen(bytes32 requestId);
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
    /// @return requestId hash of the request
    /// @return request the request with the model's terms of this moment
    function open(Opening calldata opening) external returns (bytes32 requestId, Request memory request);

    /// @notice Checks a receipt, computes its fee and books it.
    /// @dev Rounds the fee up. Touches no token. Anything wrong reverts with the error that names it.
    /// @param request the request as opened; the caller must be its consumer
    /// @return fee base units
    function record(
        Request calldata request,
        Delivery calldata delivery,
        UsageReceipt calldata receipt,
        bytes calldata signature
    ) external returns (uint256 fee);

    /// @notice Reverts with the error that `record` would revert with, other than for its caller; otherwise does nothing.
    function check(
        Request calldata request,
        Delivery calldata delivery,
        UsageReceipt calldata receipt,
        bytes calldata signature
    ) external view;

    /// @notice Ends a request and gives unused escrow to the requester's balance.
    /// @dev Anyone after the deadline; the request's consumer at any time.
    function close(Request calldata request) external returns (uint256 refund);

    /// @notice Stops or allows new requests. Answers, claims and refunds go on. Owner of the distributor only.
    function setRequestsPaused(bool paused) external;

    /// @notice Id of a request: keccak256(abi.encode(request)).
    function requestIdOf(Request calldata request) external pure returns (bytes32);

    /// @notice How far a request has come.
    function progressOf(bytes32 requestId) external view returns (Progress memory);

    /// @notice EIP-712 digest that a receipt signer signs.
    function receiptDigest(UsageReceipt calldata receipt) external view returns (bytes32);
}
