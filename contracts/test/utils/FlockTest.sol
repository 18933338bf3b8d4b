// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {Inbox} from "infernet-sdk/Inbox.sol";
import {Registry} from "infernet-sdk/Registry.sol";
import {Fee} from "infernet-sdk/payments/Fee.sol";
import {WalletFactory} from "infernet-sdk/payments/WalletFactory.sol";
import {Reader} from "infernet-sdk/utility/Reader.sol";
import {EmissionProgram} from "../../src/EmissionProgram.sol";
import {ModelHostConsumer} from "../../src/ModelHostConsumer.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {RewardDistributor} from "../../src/RewardDistributor.sol";
import {StakeVault} from "../../src/StakeVault.sol";
import {UsageMeter} from "../../src/UsageMeter.sol";
import {TestToken} from "../../src/devnet/TestToken.sol";
import {IModelHostConsumer} from "../../src/interfaces/IModelHostConsumer.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {ReceiptLib} from "../../src/libraries/ReceiptLib.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {Order, Request, TaskEnvelope, Terms, UsageReceipt} from "../../src/types/Usage.sol";
import {Test} from "./Test.sol";

/// @title Everything in place: Infernet, FLock, one model with one node, a funded requester.
abstract contract FlockTest is Test {
    uint256 internal constant GAMMA_PPM = 100_000;
    bytes internal constant PROMPT = "Which way do the geese fly when winter comes to the lake?";
    bytes internal constant ANSWER = "South, in a wedge, and they take turns at its point.";

    address internal owner = actor("owner");
    address internal treasury = actor("treasury");
    address internal host = actor("host");
    address internal signer = actor("receipt signer");
    address internal attester = actor("attester");
    address internal node = actor("node");
    address internal secondNode = actor("second node");
    address internal requester = actor("requester");

    EIP712Coordinator internal coordinator;
    Inbox internal inbox;
    Registry internal infernetRegistry;
    WalletFactory internal walletFactory;
    TestToken internal token;
    TestToken internal stakeToken;
    ModelRegistry internal models;
    RewardDistributor internal distributor;
    UsageMeter internal meter;
    StakeVault internal vault;
    EmissionProgram internal emissions;
    ModelHostConsumer internal consumer;
    ModelId internal modelId;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        _deployInfernet();
        token = new TestToken("Test FLOCK", "tFLOCK");
        stakeToken = new TestToken("Test stake", "tSTAKE");
        models = ModelRegistry(deployNamed("ModelRegistry.sol:ModelRegistry", ""));
        distributor = newDistributor(address(token), address(stakeToken));
        meter = UsageMeter(distributor.METER());
        vault = StakeVault(distributor.VAULT());
        emissions = EmissionProgram(distributor.EMISSIONS());
        vm.prank(owner);
        distributor.setAttester(attester, true);
        consumer = newConsumer(host);
        modelId = register("model", terms());
        token.mint(requester, 1_000_000e18);
        vm.prank(requester);
        token.approve(address(consumer), type(uint256).max);
    }

    function newDistributor(address paymentToken, address stakedToken) internal returns (RewardDistributor) {
        bytes memory arguments =
            abi.encode(owner, paymentToken, stakedToken, address(models), treasury, GAMMA_PPM);
        return RewardDistributor(deployNamed("RewardDistributor.sol:RewardDistributor", arguments));
    }

    /// @dev A consumer of `host_`; `host` signs for it.
    function newConsumer(address host_) internal returns (ModelHostConsumer) {
        bytes memory arguments = abi.encode(infernetRegistry, meter, host_, host);
        return ModelHostConsumer(deployNamed("ModelHostConsumer.sol:ModelHostConsumer", arguments));
    }

    /// @dev 1e15 per answer, 3 and 7 tokens' worth of awkward prices, 30 % for training nodes, 20 % for validators.
    function terms() internal pure returns (Terms memory) {
        return Terms({
            requestPrice: 1e15,
            promptPrice: 333_333_333_333_333_333,
            completionPrice: 777_777_777_777_777_777,
            maxPromptTokens: 100,
            maxCompletionTokens: 200,
            trainingPpm: 300_000,
            validatorPpm: 200_000
        });
    }

    function listing(string memory name, Terms memory terms_) internal view returns (IModelRegistry.Listing memory) {
        address[] memory nodes = new address[](2);
        nodes[0] = node;
        nodes[1] = secondNode;
        return IModelRegistry.Listing({
            artifactId: keccak256(abi.encode(name, "main", "base")),
            metadataHash: keccak256("metadata"),
            metadataUri: "https://example.org/model.json",
            containers: "flock-workflow",
            consumer: address(consumer),
            receiptSigner: signer,
            nodes: nodes,
            terms: terms_
        });
    }

    function register(string memory name, Terms memory terms_) internal returns (ModelId) {
        vm.prank(host);
        return models.register(listing(name, terms_));
    }

    function params() internal view returns (IModelHostConsumer.RequestParams memory) {
        return IModelHostConsumer.RequestParams({
            modelId: modelId,
            payload: PROMPT,
            intervals: 1,
            periodSec: 0,
            redundancy: 1,
            lazy: false,
            timeoutSec: 1 hours,
            maxCost: type(uint256).max
        });
    }

    function ask() internal returns (uint32 subscriptionId) {
        return ask(params());
    }

    function ask(IModelHostConsumer.RequestParams memory params_) internal returns (uint32 subscriptionId) {
        vm.prank(requester);
        (subscriptionId,) = consumer.request(params_);
    }

    /// @dev The receipt of an honest service for ANSWER.
    function receiptFor(uint32 subscriptionId, uint32 interval, address node_, uint32 prompt, uint32 completion)
        internal
        view
        returns (UsageReceipt memory)
    {
        (Request memory request, bytes memory payload) = consumer.requestOf(subscriptionId);
        bytes32 requestId = meter.requestIdOf(address(consumer), subscriptionId);
        TaskEnvelope memory envelope = TaskEnvelope({
            chainId: block.chainid,
            consumer: address(consumer),
            subscriptionId: subscriptionId,
            interval: interval,
            requestId: requestId,
            requester: request.requester,
            node: node_,
            modelId: request.modelId,
            maxPromptTokens: request.terms.maxPromptTokens,
            maxCompletionTokens: request.terms.maxCompletionTokens,
            payload: payload
        });
        return UsageReceipt({
            requestId: requestId,
            modelId: request.modelId,
            requester: request.requester,
            node: node_,
            interval: interval,
            inputHash: envelopeHash(envelope),
            outputHash: keccak256(ANSWER),
            promptTokens: prompt,
            completionTokens: completion
        });
    }

    /// @dev EIP-712 struct hash of an envelope, written out here.
    function envelopeHash(TaskEnvelope memory envelope) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ReceiptLib.TASK_ENVELOPE_TYPEHASH,
                envelope.chainId,
                envelope.consumer,
                envelope.subscriptionId,
                envelope.interval,
                envelope.requestId,
                envelope.requester,
                envelope.node,
                envelope.modelId,
                envelope.maxPromptTokens,
                envelope.maxCompletionTokens,
                keccak256(envelope.payload)
            )
        );
    }

    /// @dev An order of the requester for one answer to PROMPT.
    function order(bytes32 salt) internal view returns (Order memory) {
        return Order({
            consumer: address(consumer),
            modelId: modelId,
            requester: requester,
            terms: models.getModel(modelId).terms,
            payloadHash: keccak256(PROMPT),
            payloadBytes: uint32(PROMPT.length),
            deadline: uint40(block.timestamp + 1 hours),
            salt: salt
        });
    }

    /// @dev The receipt of an honest service for ANSWER to an order; `interval` is that of the delegated subscription.
    function receiptFor(Order memory order_, uint32 interval, address node_, uint32 prompt, uint32 completion)
        internal
        view
        returns (UsageReceipt memory)
    {
        bytes32 requestId = meter.orderDigest(order_);
        TaskEnvelope memory envelope = TaskEnvelope({
            chainId: block.chainid,
            consumer: order_.consumer,
            subscriptionId: 0,
            interval: interval,
            requestId: requestId,
            requester: order_.requester,
            node: node_,
            modelId: order_.modelId,
            maxPromptTokens: order_.terms.maxPromptTokens,
            maxCompletionTokens: order_.terms.maxCompletionTokens,
            payload: PROMPT
        });
        return UsageReceipt({
            requestId: requestId,
            modelId: order_.modelId,
            requester: order_.requester,
            node: node_,
            interval: interval,
            inputHash: envelopeHash(envelope),
            outputHash: keccak256(ANSWER),
            promptTokens: prompt,
            completionTokens: completion
        });
    }

    /// @dev The proof that carries an order signed by `requesterName`.
    function orderProof(
        Order memory order_,
        string memory requesterName,
        UsageReceipt memory receipt,
        bytes memory signature
    ) internal view returns (bytes memory) {
        return abi.encode(
            receipt, signature, abi.encode(order_), signDigest(meter.orderDigest(order_), requesterName)
        );
    }

    function sign(UsageReceipt memory receipt) internal view returns (bytes memory) {
        return sign(receipt, "receipt signer");
    }

    function sign(UsageReceipt memory receipt, string memory signerName) internal view returns (bytes memory) {
        return signDigest(meter.receiptDigest(receipt), signerName);
    }

    function signDigest(bytes32 digest, string memory signerName) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey(signerName), digest);
        return abi.encodePacked(r, s, v);
    }

    function output(UsageReceipt memory receipt) internal pure returns (bytes memory) {
        return abi.encode(ANSWER, abi.encode(receipt));
    }

    /// @dev Delivers as `receipt.node`, through the Coordinator.
    function deliver(uint32 subscriptionId, UsageReceipt memory receipt, bytes memory signature) internal {
        vm.prank(receipt.node);
        coordinator.deliverCompute(
            subscriptionId, receipt.interval, "", output(receipt), signature, address(0)
        );
    }

    /// @dev An honest answer with 17 prompt and 23 completion tokens.
    function answer(uint32 subscriptionId) internal returns (UsageReceipt memory receipt) {
        receipt = receiptFor(subscriptionId, 1, node, 17, 23);
        deliver(subscriptionId, receipt, sign(receipt));
    }

    function contributors(address[] memory accounts, uint32[] memory weights)
        internal
        pure
        returns (IRewardDistributor.Contributor[] memory members)
    {
        members = new IRewardDistributor.Contributor[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            members[i] = IRewardDistributor.Contributor(accounts[i], weights[i]);
        }
        for (uint256 i = 1; i < members.length; ++i) {
            for (uint256 j = i; j > 0 && members[j - 1].account > members[j].account; --j) {
                (members[j - 1], members[j]) = (members[j], members[j - 1]);
            }
        }
    }

    function table(
        ModelId modelId_,
        IRewardDistributor.Contributor[] memory training,
        IRewardDistributor.Contributor[] memory validators,
        uint64 nonce
    ) internal view returns (IRewardDistributor.ContributorTable memory) {
        return IRewardDistributor.ContributorTable({
            modelId: modelId_,
            training: training,
            validators: validators,
            nonce: nonce,
            expiry: uint40(block.timestamp + 1 days)
        });
    }

    function attest(IRewardDistributor.ContributorTable memory table_) internal {
        distributor.setContributors(table_, attester, signDigest(distributor.tableDigest(table_), "attester"));
    }

    function one(address account) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }

    function one(uint32 weight) internal pure returns (uint32[] memory list) {
        list = new uint32[](1);
        list[0] = weight;
    }

    function one(ModelId id) internal pure returns (ModelId[] memory list) {
        list = new ModelId[](1);
        list[0] = id;
    }

    function two(address first, address second) internal pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (first, second);
    }

    function two(uint32 first, uint32 second) internal pure returns (uint32[] memory list) {
        list = new uint32[](2);
        (list[0], list[1]) = (first, second);
    }

    function _deployInfernet() private {
        address deployer = actor("infernet deployer");
        vm.startPrank(deployer);
        address[6] memory at;
        for (uint256 i; i < 6; ++i) {
            at[i] = _createAddress(deployer, i);
        }
        infernetRegistry = new Registry(at[1], at[2], at[3], at[4], at[5]);
        coordinator = EIP712Coordinator(
            deployNamed("EIP712Coordinator.sol:EIP712Coordinator", abi.encode(infernetRegistry))
        );
        inbox = new Inbox(infernetRegistry);
        new Reader(infernetRegistry);
        new Fee(deployer, 0);
        walletFactory = new WalletFactory(infernetRegistry);
        vm.stopPrank();
    }

    function _createAddress(address deployer, uint256 nonce) private pure returns (address) {
        bytes1 encodedNonce = nonce == 0 ? bytes1(0x80) : bytes1(uint8(nonce));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", deployer, encodedNonce)))));
    }
}
